"""Candidates into which nothing random enters are made once, and said to be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
from scumble.models.base import Model
from tests.support.all_methods import short, soft_map

SAME: dict[str, dict[str, Any]] = {
    "asyrp": {"t_boost": 0},
    "ddim-inversion": {},
    "pix2pix-zero": {},
    "plug-and-play": {},
    "prompt-to-prompt": {"trajectory": "ddim"},
}
"""Method -> fields without which it draws something."""
DIFFERENT: dict[str, dict[str, Any]] = {
    "asyrp": {"t_boost": 900},
    "ddim-inversion": {"prompt": ("a dog", "a cube")},
    "plug-and-play": {"trajectory": "edit-friendly"},
    "prompt-to-prompt": {"trajectory": "edit-friendly"},
}


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image)


@pytest.mark.parametrize("name", sorted(SAME))
def test_they_cost_one_and_come_again_to_the_byte(
    name: str, tiny_sd: Model, picture: Image.Image, tmp_path: Path
) -> None:
    editor = Editor(tiny_sd, cache=False)
    method = short(name, tmp_path, tiny_sd, change_map=soft_map(), **SAME[name])
    one = editor.edit(picture, method, seed=5)
    three = editor.edit(picture, method, seed=5, count=3, batch_size=2)
    assert (three.cost.forward_rows, three.cost.backward_rows) == (one.cost.forward_rows, one.cost.backward_rows)
    assert any("all candidates are the same" in notice for notice in three.notices)
    assert not any("all candidates are the same" in notice for notice in one.notices)
    for image in three.images:
        assert np.array_equal(pixels(image), pixels(one.image))
    recipe = three.recipe_of(2)
    again = editor.again(picture, method.model_copy(update=recipe.used), recipe)
    assert np.array_equal(pixels(again.image), pixels(three.images[2]))


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_candidates_that_differ_are_each_made(name: str, tiny_sd: Model, picture: Image.Image, tmp_path: Path) -> None:
    method = short(name, tmp_path, tiny_sd, **DIFFERENT[name])
    made = Editor(tiny_sd, cache=False).edit(picture, method, seed=5, count=2)
    assert not any("all candidates are the same" in notice for notice in made.notices)
    assert not np.array_equal(pixels(made.images[0]), pixels(made.images[1]))


def test_maps_for_each_candidate_make_different_ones(tiny_editor: Editor, picture: Image.Image) -> None:
    maps = (soft_map(), soft_map().rotate(90))
    method = DDIMInversion(prompt="a dog", num_inference_steps=3, change_map=maps)
    made = tiny_editor.edit(picture, method, seed=5, count=2)
    assert not np.array_equal(pixels(made.images[0]), pixels(made.images[1]))
