"""Extrapolation: what was there stays, what is new is made strip by strip."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scumble.editing.editor import Editor
from scumble.editing.extend import _turned, extend, strips
from scumble.errors import InputError, MethodError
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.inpainting.blended_diffusion import BlendedDiffusion
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from scumble.records.metadata import read_metadata
from tests.support.blended import tiny_ddpm


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(1, 300), st.integers(1, 300))
def test_strips_add_up_and_leave_the_model_something_to_continue(amount: int, across: int, along: int) -> None:
    widths = strips(amount, across, along)
    assert sum(widths) == amount
    for width in widths:
        assert 1 <= width <= across and width <= max(along // 2, 1)
        across += width


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_turning_twice_gives_the_picture_back_with_the_side_at_the_right(side: Any) -> None:
    pixels = np.arange(12).reshape(3, 4)
    turned = _turned(pixels, side)
    assert (_turned(turned, side) == pixels).all()
    edge = {"left": pixels[:, 0], "right": pixels[:, -1], "top": pixels[0], "bottom": pixels[-1]}[side]
    assert sorted(turned[:, -1]) == sorted(edge)


def test_a_latent_model_continues_all_sides_and_the_picture_stays(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Any
) -> None:
    method = BlendedLatentDiffusion(prompt="a field", num_inference_steps=1, guidance_scale=1)
    grown = extend(tiny_editor, picture, method, left=40, right=10, top=7, bottom=3, prompts={"left": "hell"}, seed=5)
    assert grown.image.size == (64 + 50, 64 + 10)
    assert (np.asarray(grown.image)[7:71, 40:104] == np.asarray(picture)).all()
    told = [(recipe.report["side"], recipe.report["width"]) for recipe in grown.recipes]
    assert told == [("left", 20), ("left", 20), ("right", 10), ("top", 7), ("bottom", 3)]
    assert [recipe.parameters["prompt"] for recipe in grown.recipes] == ["hell", "hell", *["a field"] * 3]
    assert len({recipe.seed for recipe in grown.recipes}) == 5
    assert grown.cost.network_calls == 5
    path = grown.save(tmp_path / "grown.png")
    assert len(read_metadata(path)["strips"]) == 5
    assert json.dumps(read_metadata(path))


@pytest.mark.parametrize(
    ("stated", "words", "expected"), [({}, "", 0.6), ({}, "a field", 0.75), ({"strength": 0.9}, "", 0.9)]
)
def test_a_small_model_continues_rather_than_begins_anew(
    tiny_editor: Editor, picture: Image.Image, stated: dict[str, float], words: str, expected: float
) -> None:
    assert tiny_editor.model.native_size < 256
    method = DifferentialDiffusion(prompt=words, num_inference_steps=2, **stated)
    assert extend(tiny_editor, picture, method, right=8, seed=1).recipes[0].parameters["strength"] == expected


def test_without_words_a_strip_begins_as_the_reflected_picture(tiny_editor: Editor, picture: Image.Image) -> None:
    for begin, used in ((None, "picture"), ("filled", "filled")):
        grown = extend(tiny_editor, picture, BlendedLatentDiffusion(num_inference_steps=2, begin=begin), right=8)
        assert grown.recipes[0].parameters["begin"] == used


def test_a_pixel_model_continues_too_and_new_pixels_are_not_the_reflection() -> None:
    source = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    method = BlendedDiffusion(num_inference_steps=4, skip=0.25)
    grown = extend(Editor(tiny_ddpm()), source, method, right=20, seed=1)
    pixels = np.asarray(grown.image)
    assert pixels.shape == (32, 52, 3)
    assert (pixels[:, :32] == np.asarray(source)).all()
    assert (pixels[:, 32:48] != pixels[:, 16:32][:, ::-1]).mean() > 0.5
    again = extend(Editor(tiny_ddpm()), source, method, right=20, seed=1)
    assert (np.asarray(again.image) == pixels).all()


def test_refusals(tiny_editor: Editor, picture: Image.Image) -> None:
    method = BlendedLatentDiffusion(num_inference_steps=1)
    with pytest.raises(InputError, match="nothing to add"):
        extend(tiny_editor, picture, method)
    with pytest.raises(InputError, match="did you mean left"):
        extend(tiny_editor, picture, method, left=8, prompts={"lefft": "x"})  # type: ignore[dict-item]
    with pytest.raises(MethodError, match="own mask"):
        extend(tiny_editor, picture, BlendedLatentDiffusion(change_map=0.5), left=8)
