"""Words with a place in every method: one prompt is today's picture, what cannot be is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.editing.redo import redo
from scumble.editing.result import Result
from scumble.errors import InputError, MethodError
from scumble.methods.placed import Placed, Worded
from scumble.methods.registry import METHODS, method_class
from scumble.methods.words import Words
from scumble.models.base import Model
from tests.support.all_methods import ALL, FROM_SEED, editor_for, short, soft_map

TAKES: list[str] = [name for name in METHODS if issubclass(method_class(name), Placed)]
REFUSES = [name for name in METHODS if not issubclass(method_class(name), Worded)]
PICTURE = Image.radial_gradient("L").resize((64, 64)).convert("RGB")


def left(size: int = 64) -> Image.Image:
    values = np.zeros((size, size), np.uint8)
    values[:, : size // 2] = 255
    return Image.fromarray(values)


def edited(name: str, folder: Path, model: Model, **more: Any) -> Result:
    method, editor = short(name, folder, model, **more), editor_for(name, model)
    if name in FROM_SEED:
        return editor.generate(method, seed=5)
    return editor.edit(PICTURE, method, seed=5)


def pixels(result: Result) -> Any:
    return np.asarray(result.images[0])


def test_the_methods_that_take_places_are_those_that_guide_by_words_alone() -> None:
    assert sorted(TAKES) == [
        "blended-latent-diffusion",
        "cycle-diffusion",
        "ddim-inversion",
        "ddpm-inversion",
        "differential-diffusion",
        "sdedit",
        "text-to-image",
        "warp-drag",
    ]
    assert set(METHODS) - set(REFUSES) - set(TAKES) == {"ledits"}  # its words are added, none has a share


@pytest.mark.parametrize("name", TAKES)
def test_one_prompt_is_the_plain_picture_bit_for_bit(name: str, tiny_sd: Model, tmp_path: Path) -> None:
    text = ALL[name].get("prompt", "a dog")
    plain = edited(name, tmp_path, tiny_sd, prompt=text)
    words = edited(name, tmp_path, tiny_sd, prompt=[Words(text)])
    nowhere = edited(name, tmp_path, tiny_sd, prompt=[Words(text), Words("a cat", 0), Words("the sea", weight=0)])
    assert np.array_equal(pixels(plain), pixels(words)) and np.array_equal(pixels(plain), pixels(nowhere))
    assert plain.cost.forward_rows == words.cost.forward_rows == nowhere.cost.forward_rows


@pytest.mark.parametrize("name", TAKES)
def test_words_on_the_left_change_the_picture_for_one_row_a_step(name: str, tiny_sd: Model, tmp_path: Path) -> None:
    more = {} if name in FROM_SEED else {"change_map": soft_map()}
    text = ALL[name].get("prompt", "a dog")
    plain = edited(name, tmp_path, tiny_sd, prompt=text, **more)
    words = [Words(text), Words("the sea at night", left())]
    placed = edited(name, tmp_path, tiny_sd, prompt=words, places="latent", **more)
    inside = edited(name, tmp_path, tiny_sd, prompt=words, **more)
    assert not np.array_equal(pixels(plain), pixels(inside)) and inside.cost.forward_rows == plain.cost.forward_rows
    assert not np.array_equal(pixels(plain), pixels(placed))
    steps = placed.cost.forward_rows - plain.cost.forward_rows
    assert 0 < steps <= plain.cost.network_calls
    if name not in FROM_SEED:
        untouched = np.asarray(soft_map()) == 0
        assert np.array_equal(pixels(placed)[untouched], np.asarray(PICTURE)[untouched])


@pytest.mark.parametrize("name", REFUSES)
def test_other_methods_refuse_words_with_a_place_in_one_line(name: str) -> None:
    with pytest.raises(InputError, match="takes one prompt for the whole image") as error:
        method_class(name)(prompt=[Words("a cube"), Words("a sphere", left())])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["sdedit", "text-to-image", "blended-latent-diffusion", "instruct", "warp-drag"])
def test_a_list_of_texts_is_refused_where_there_is_one_prompt(name: str) -> None:
    with pytest.raises(InputError, match="takes one prompt, not a list of 2"):
        method_class(name)(prompt=["a", "b"])


def test_a_list_of_texts_keeps_its_meaning_in_inversion_methods(tiny_sd: Model, tmp_path: Path) -> None:
    method = short("ddpm-inversion", tmp_path, tiny_sd, prompt=("a dog", "a cat"), placed_words=[Words("sea", left())])
    both = Editor(tiny_sd).edit(PICTURE, method, seed=5)
    assert len(both.images) == 2 and not np.array_equal(np.asarray(both.images[0]), np.asarray(both.images[1]))


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        (["a", Words("b")], "only Words or only text"),
        ([Words("a")] * 17, "at most 16 prompts"),
        ([{"text": "a", "weight": "heavy"}], "number"),
        ([{"text": "a", "mode": "or"}], "blend"),
        ([{"text": "a", "map": 1.5}], "from 0 to 1, got 1.5"),
        ([{"text": "a", "map": "words:"}], "needs the name"),
        ([{"text": "a", "weight": -1}], "mode add removes"),
        ([{"text": "a", "begin": 0.5, "end": 0.5}], "begin must be less than end"),
    ],
)
def test_bad_words_are_refused_with_the_reason(prompt: list[Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        method_class("sdedit")(prompt=prompt)


def test_the_order_of_the_words_does_not_matter(tiny_sd: Model, tmp_path: Path) -> None:
    words = [Words("a dog"), Words("the sea", left()), Words("a cat", weight=2.0, mode="add", begin=0.3)]
    one, other = (edited("sdedit", tmp_path, tiny_sd, prompt=order) for order in (words, words[::-1]))
    assert np.abs(pixels(one).astype(int) - pixels(other)).max() <= 1


def test_equal_prompts_with_any_maps_are_one_prompt_and_one_row(tiny_sd: Model, tmp_path: Path) -> None:
    plain = edited("sdedit", tmp_path, tiny_sd, prompt="a dog")
    twice = edited("sdedit", tmp_path, tiny_sd, prompt=[Words("a dog"), Words("a dog", left()), Words("a dog", 0.3)])
    assert np.abs(pixels(plain).astype(int) - pixels(twice)).max() <= 1
    assert plain.cost.forward_rows == twice.cost.forward_rows


def test_a_map_of_another_shape_is_refused(tiny_sd: Model, tmp_path: Path) -> None:
    wide = Image.new("L", (128, 64), 255)
    with pytest.raises(Exception, match="another shape"):
        edited("sdedit", tmp_path, tiny_sd, prompt=[Words("a dog"), Words("the sea", wide)])


def test_a_place_from_words_needs_an_image(tiny_sd: Model, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="draw the map"):
        edited("text-to-image", tmp_path, tiny_sd, prompt=[Words("a dog"), Words("the sea", "words:dog")])


@pytest.mark.parametrize("name", ["sdedit", "ddpm-inversion"])
def test_a_recipe_with_places_is_made_again_with_no_difference(name: str, tiny_sd: Model, tmp_path: Path) -> None:
    left().save(tmp_path / "left.png")
    PICTURE.save(tmp_path / "picture.png")
    words = [
        Words("a photo of a dog"),
        Words("the sea", str(tmp_path / "left.png")),
        Words("a cat", 0.5),
        Words("a sphere", "not:photo"),
        Words("night", weight=-2.0, mode="add", begin=0.2, end=0.9),
    ]
    method = short(name, tmp_path, tiny_sd, prompt=words)
    editor = Editor(tiny_sd)
    result = editor.edit(str(tmp_path / "picture.png"), method, seed=5)
    result.save(tmp_path / "out.png")
    stated = result.recipe.parameters["placed_words"]
    assert stated[0]["map"] == "left.png" and stated[3]["weight"] == -2.0 and stated[3]["begin"] == 0.2
    assert set(result.recipe.files) == {"placed_words.0.map", "placed_words.2.map"}
    again = redo(tmp_path / "out.png", editor=editor)
    assert again.largest == 0 and not [one for one in again.warnings if "map" in one]


def test_a_recipe_whose_place_was_no_file_says_so(tiny_sd: Model, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "picture.png")
    method = short("sdedit", tmp_path, tiny_sd, prompt=[Words("a dog"), Words("the sea", left())])
    Editor(tiny_sd).edit(str(tmp_path / "picture.png"), method, seed=5).save(tmp_path / "out.png")
    with pytest.raises(Exception, match="save it as one"):
        redo(tmp_path / "out.png", editor=Editor(tiny_sd))


def test_a_request_names_the_map_of_a_place_as_a_file(tmp_path: Path) -> None:
    from scumble.records.file_ref import file_refs
    from scumble.records.list_lines import Line
    from scumble.records.settle import settle
    from scumble.records.wishes import Wishes

    left().save(tmp_path / "left.png")
    PICTURE.save(tmp_path / "picture.png")
    fields = {
        "image": "picture.png",
        "method": "sdedit",
        "prompt": [{"text": "a dog"}, {"text": "the sea", "map": str(tmp_path / "left.png")}],
    }
    settled = settle([Line("list.jsonl", 1, fields, base=str(tmp_path))], Wishes())[0]
    assert settled.request is not None, settled.problems
    assert "files.placed_words.0.map" in dict(file_refs(settled.request))
    built = settled.request.build({"placed_words.0.map": str(tmp_path / "left.png")})
    assert built.prompt == "a dog" and built.placed_words[0].map == str(tmp_path / "left.png")  # type: ignore[attr-defined]


def test_places_without_a_prompt_are_led_by_all_of_them_together(tiny_sd: Model, tmp_path: Path) -> None:
    words = [Words("a dog on grass", left()), Words("a cat on grass", 0.5)]
    led = edited("text-to-image", tmp_path, tiny_sd, prompt=words, lead=1.0)
    one = edited("text-to-image", tmp_path, tiny_sd, prompt="a dog left of a cat on grass")
    assert np.abs(pixels(led).astype(int) - pixels(one)).max() <= 1
    assert "led by all places together: 'a dog left of a cat on grass'" in " ".join(led.notices)
    not_led = edited("text-to-image", tmp_path, tiny_sd, prompt=words, lead=0.0)
    assert not any("led by" in notice for notice in not_led.notices)


@pytest.mark.parametrize("guider", ["apg", "auto", "cfg++", "frequency", "interval", "pag", "rescale", "seg"])
def test_every_rule_of_guidance_makes_another_picture_for_the_rows_it_states(
    guider: str, tiny_sd: Model, tmp_path: Path
) -> None:
    plain = edited("text-to-image", tmp_path, tiny_sd, prompt="a dog")
    ruled = edited("text-to-image", tmp_path, tiny_sd, prompt="a dog", guider=guider)
    assert not np.array_equal(pixels(plain), pixels(ruled))
    rows = ruled.cost.forward_rows / plain.cost.network_calls
    assert rows == 3 if guider in ("pag", "seg", "auto") else rows <= 2
    words = [Words("a dog"), Words("the sea", left())]
    placed = edited("text-to-image", tmp_path, tiny_sd, prompt=words, guider=guider, places="latent")
    assert placed.cost.forward_rows > ruled.cost.forward_rows and not np.array_equal(pixels(placed), pixels(ruled))


def test_cfg_plus_plus_refuses_a_solver_that_does_not_follow_the_noise(tiny_sd: Model, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="use --solver ddim"):
        edited("sdedit", tmp_path, tiny_sd, prompt="a dog", guider="cfg++", solver="dpmpp_2m")
