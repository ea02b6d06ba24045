"""Each candidate of each method comes out again from its recipe, whatever batch it was made in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.methods.registry import METHODS
from scumble.models.base import Model
from scumble.records.metadata import parameters_text
from tests.support.all_methods import ALL, FROM_SEED, editor_for, short, soft_map

MADE_AGAIN = range(9) if "SCUMBLE_FUZZ" in os.environ else (1, 4, 8)
"""Candidates that are made again: all of them with ``make fuzz``."""


def test_every_method_is_tried() -> None:
    assert set(ALL) == set(METHODS)


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_of_nine_candidates_in_batches_of_two_is_made_again_to_the_byte(
    name: str, tiny_sd: Model, picture: Image.Image, tmp_path: Path
) -> None:
    editor, given = editor_for(name, tiny_sd), None if name in FROM_SEED else picture
    more: dict[str, Any] = {} if name in FROM_SEED else {"change_map": soft_map()}
    method = short(name, tmp_path, tiny_sd, **more)
    options: dict[str, Any] = {"seed": 5, "count": 9, "batch_size": 2}
    made = editor.generate(method, **options) if given is None else editor.edit(given, method, **options)
    ranked = [report.get("candidate", k) for k, report in enumerate(made.reports)]
    for k in MADE_AGAIN:
        recipe = made.recipe_of(ranked.index(k))
        assert recipe.index == k
        again = editor.again(given, method.model_copy(update=recipe.used), recipe)
        difference = np.asarray(again.image, int) - np.asarray(made.images[ranked.index(k)], int)
        assert np.abs(difference).max() == 0


DECIDING = ("skip", "guidance_scale", "source_guidance_scale", "eta", "trajectory", "num_inference_steps", "t_edit")


@pytest.mark.parametrize("name", ["ddpm-inversion", "prompt-to-prompt", "self-guidance", "pix2pix-zero", "diffuseit"])
def test_a_recipe_says_what_defaults_came_to(name: str, tiny_sd: Model, picture: Image.Image, tmp_path: Path) -> None:
    """So that another default, some day, changes no recipe of today."""
    method = short(name, tmp_path, tiny_sd)
    recipe = editor_for(name, tiny_sd).edit(picture, method, seed=1).recipe
    settled = recipe.settled_parameters()
    left = [field for field in DECIDING if field in settled and settled[field] is None]
    assert not left
    assert recipe.environment["threads"] == "1" and recipe.environment["processor"]
    text = parameters_text(recipe.model_dump(mode="json"))
    assert ("CFG scale: " in text and "Denoising strength: " in text) or name in ("pix2pix-zero", "diffuseit")


def test_a_result_says_what_it_is_in_one_line(tiny_editor: Editor) -> None:
    method = TextToImage(prompt="a cat", num_inference_steps=2, guidance_scale=1.0)
    assert repr(tiny_editor.generate(method, seed=3, count=2)) == (
        "<Result: 2 of text-to-image, seed 3, 2 network calls>"
    )
