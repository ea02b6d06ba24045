"""Every method's form: complete, with the bounds of the definition, and accepting its own defaults."""

from __future__ import annotations

from typing import Any

import pytest

from scumble.cli.studio import BORROWED
from scumble.errors import InputError
from scumble.methods.registry import METHODS, method_class
from scumble.records.view import View
from scumble.studio.command import command_line
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
    from scumble.cli.flags import build_method

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
    assert read == {"method": "differential-diffusion", "parameters": given, "seed": 7, "count": None}


def test_values_that_look_like_flags_stay_values() -> None:
    line = command_line("sdedit", {"prompt": "-x"}, {}, picture="a b.png", change_map=None, seed=1)
    assert "--prompt=-x" in line and "'a b.png'" in line


def test_texts_with_a_place_and_files_reach_the_command_line_and_no_path_comes_as_a_value() -> None:
    files = {"placed_words.0.map": "left.png"}
    told = FORMS.check(
        "differential-diffusion", {"prompt": "a"}, [], "photo.png", "map.png", seed=7, count=1, output="out.png",
        model=None, places=["a red ball", "mist"], files=files,
    )  # fmt: skip
    assert told["faults"] == []
    assert "--at left.png 'a red ball' --at 1 mist" in told["command"]
    assert "scumble.Words('a red ball', 'left.png')" in told["python"]
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
            places=["a"], files={},
        )  # fmt: skip
