"""Every method's form: complete, with the bounds of the definition, and accepting its own defaults."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from scumble.cli.flags import build_method
from scumble.cli.places import with_places
from scumble.cli.studio import BORROWED
from scumble.errors import InputError
from scumble.methods.registry import METHODS, method_class
from scumble.records.view import View
from scumble.studio.command import command_line
from scumble.studio.edit import Edit, PlacedText
from scumble.studio.form import describe, file_fields, sent_fields
from scumble.studio.forms import Forms

FORMS = Forms(BORROWED["flags"])
EDITING = [name for name in METHODS if method_class(name).takes_image]


def check(method: str, parameters: dict[str, Any], points: list[list[float]] | None = None) -> dict[str, Any]:
    """Check an edit."""
    return FORMS.check(
        method, parameters, points or [], "photo.png", "map.png", seed=7, count=1, output="out.png", model=None
    )


@pytest.mark.parametrize("name", EDITING)
def test_a_form_shows_every_field_and_files_as_such(name: str) -> None:
    kind = method_class(name)
    form = describe(kind, name)
    shown = {field["name"] for field in form["fields"]}
    sent = {field["name"] for field in form["fields"] if field["kind"] == "file"}
    assert sent == sent_fields(kind.model_fields)
    assert shown == (set(kind.model_fields) - file_fields(kind.model_fields)) | sent | set(View.model_fields)
    assert not set(kind.model_fields) & set(View.model_fields)
    assert form["task"] != "More", f"{name} has no title yet: add it to TASKS"
    for field in form["fields"]:
        assert field["help"] or field["name"] == "compat"
        assert field["kind"] != "json" or field["name"] in ("word_windows", "strengths")
        if field["kind"] == "choice":
            assert field["choices"]


@pytest.mark.parametrize("name", EDITING)
def test_a_form_accepts_its_own_defaults(name: str) -> None:
    kind = method_class(name)
    form = describe(kind, name)
    values = {field["name"]: field["default"] for field in form["fields"] if field["kind"] not in ("points", "file")}
    points = [[10.0, 10.0, 20.0, 10.0]] if form["points"] else []
    own = {
        field: value
        for field, value in values.items()
        if field in View.model_fields or not kind.model_fields[field].is_required()
    }
    faults = [one for one in check(name, own, points)["faults"] if one["field"]]
    assert faults == []


def test_faults_are_the_sentences_of_the_command_line() -> None:
    checked = check("differential-diffusion", {"guidance_scale": 120, "num_inference_steps": 0})
    assert {one["field"] for one in checked["faults"]} == {"guidance_scale", "num_inference_steps"}
    with pytest.raises(InputError) as error:
        build_method(method_class("differential-diffusion"), {"guidance_scale": 120.0})
    assert str(error.value) in [one["message"] for one in checked["faults"]]


def test_a_page_may_name_no_files() -> None:

    with pytest.raises(InputError, match="may not set target_image"):
        check("diffuseit", {"target_image": "/etc/passwd"})


def test_the_command_line_comes_back_as_the_same_form() -> None:
    given = {
        "prompt": "a -- 'red' cube",
        "num_inference_steps": 7,
        "guidance_scale": 3.5,
        "nested": False,
        "window": "region",
    }
    checked = check("differential-diffusion", given)
    read = FORMS.read(checked["command"])
    assert read == {"method": "differential-diffusion", "parameters": given, "seed": 7, "count": None, "places": []}


def test_what_computes_is_in_the_command_and_in_python_and_is_no_value_of_the_method() -> None:
    checked = FORMS.check(
        "sdedit", {}, [], "photo.png", None, seed=7, count=1, output="out.png", model="fast",
        computed={"runtime": "openvino", "dtype": "bfloat16"},
    )  # fmt: skip
    assert "--model fast --runtime openvino --dtype bfloat16 --seed 7" in checked["command"]
    assert "from_pretrained('fast', runtime='openvino', dtype='bfloat16')" in checked["python"]
    assert FORMS.read(checked["command"])["parameters"] == {}


def test_values_that_look_like_flags_stay_values() -> None:
    line = command_line("sdedit", {"prompt": "-x"}, {}, picture="a b.png", change_map=None, seed=1)
    assert "--prompt=-x" in line and "'a b.png'" in line


def test_texts_with_a_place_and_files_reach_the_command_line_and_no_path_comes_as_a_value() -> None:
    files = {"placed_words.0.map": "left.png"}
    checked = FORMS.check(
        "differential-diffusion", {"prompt": "a"}, [], "photo.png", "map.png", seed=7, count=1, output="out.png",
        model=None, places=[{"text": "a red ball"}, {"text": "mist", "map": 1.0}], files=files,
    )  # fmt: skip
    assert checked["faults"] == []
    assert "--at left.png 'a red ball' --at 1 mist" in checked["command"]
    assert "scumble.Words('a red ball', 'left.png')" in checked["python"]
    for name, parameters in (
        ("diffuseit", {"target_image": "/etc/passwd"}),
        ("asyrp", {"directions": ["/etc/passwd"]}),
        ("differential-diffusion", {"placed_words": [{"text": "a", "map": "/etc/passwd"}]}),
    ):
        with pytest.raises(InputError):
            check(name, parameters)
    with pytest.raises(InputError, match="one text"):
        FORMS.check(
            "asyrp", {}, [], "photo.png", None, seed=7, count=1, output="out.png", model=None,
            places=[{"text": "a"}], files={},
        )  # fmt: skip


def test_words_keep_their_weights_on_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [
        PlacedText(text="sunset", weight=6, mode="add"),
        PlacedText(text="a red ball", map="m"),
        PlacedText(text="a green cube", map="m", weight=1.5, end=0.5),
    ]
    edit = Edit(places=given)
    assert [one.text for one in edit.places] == ["a green cube", "a red ball", "sunset"]  # as the command line has them
    checked = FORMS.check(
        "differential-diffusion", {"prompt": "a", "window": "whole"}, [], "photo.png", "map.png", seed=7, count=1,
        output="out.png", model="still-life-fast", places=[one.words() for one in edit.places],
        files={"placed_words.0.map": "r.png", "placed_words.1.map": "l.png"},
    )  # fmt: skip
    assert checked["faults"] == []
    line = shlex.split(checked["command"])
    flags = {name: line[line.index(name) + 1] for name in ("--placed-words", "--at", "--also-words")}
    wanted = with_places(
        method_class("differential-diffusion"),
        {"placed_words": [flags["--placed-words"]]}, [("l.png", "a red ball")], [flags["--also-words"]],
    )  # fmt: skip
    spoken = build_method(method_class("differential-diffusion"), {**wanted, "prompt": "a"})
    assert FORMS.read(checked["command"].split("--placed-words")[0] + "--also-words sunset:+6")["places"] == [
        {"text": "sunset", "map": None, "weight": 6.0, "mode": "add"}
    ]

    class Recorder:
        def edit(self, picture: str, method: Any, **more: Any) -> Recorder:
            self.method, self.more = method, more
            return self

        def save(self, name: str) -> None:
            return None

    recorder = Recorder()
    monkeypatch.setattr("scumble.Editor.from_pretrained", lambda name: recorder)
    exec(checked["python"], {})
    assert recorder.method.placed_words == spoken.placed_words
    assert recorder.more == {"seed": 7, "window": "whole"}


def test_every_card_of_the_chooser_has_a_picture_and_all_of_the_page_is_small() -> None:
    import gzip

    from scumble.studio.form import CARDS

    assert [one["name"] for one in FORMS.methods() if not one["card"]] == []
    built = [path for path in CARDS.parent.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in built) <= 80_000
