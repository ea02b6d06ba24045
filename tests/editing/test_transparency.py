"""Transparent pictures: what an edit changes in a hole can be seen; everything else keeps its bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion


@pytest.fixture
def cut_out(picture: Image.Image) -> Image.Image:
    """A picture with a hole, and a soft edge around it."""
    alpha = np.full((64, 64), 255, np.uint8)
    alpha[16:48, 16:48], alpha[16:48, 12:16] = 0, 100
    both = picture.convert("RGB")
    both.putalpha(Image.fromarray(alpha))
    return both


def edited(editor: Editor, image: Image.Image, change: Any, count: int = 1, **view: Any) -> Any:
    method = DifferentialDiffusion(prompt="a house", change_map=change, num_inference_steps=2)
    return editor.edit(image, method, seed=1, count=count, **view)


def test_an_edit_of_a_hole_is_opaque_where_the_map_changed_it_and_the_rest_keeps_its_bytes(
    tiny_editor: Editor, cut_out: Image.Image
) -> None:
    change = np.zeros((64, 64))
    change[8:40, 8:40] = 1.0
    result = edited(tiny_editor, cut_out, change)
    before, after = np.asarray(cut_out), np.asarray(result.image)
    assert (after[8:40, 8:40, 3] == 255).all()
    assert np.array_equal(before[change == 0], after[change == 0])
    assert any("as opaque as the map is strong" in notice for notice in result.notices)


def test_a_soft_map_fills_a_hole_softly(tiny_editor: Editor, cut_out: Image.Image) -> None:
    change = np.tile(np.linspace(0, 1, 64), (64, 1))
    alpha = np.asarray(edited(tiny_editor, cut_out, change).image)[..., 3]
    inside = alpha[30, 16:48].astype(int)
    assert inside[0] < 80 < 180 < inside[-1] and (np.diff(inside) >= 0).all() and np.diff(inside).max() <= 5


def test_each_candidate_has_the_transparency_of_its_own_map(tiny_editor: Editor, cut_out: Image.Image) -> None:
    maps = np.zeros((2, 64, 64))
    maps[0, :32], maps[1, 32:] = 1.0, 1.0
    result = edited(tiny_editor, cut_out, maps, count=2)
    alphas = [np.asarray(image)[..., 3] for image in result.images]
    assert alphas[0][20, 20] == 255 and alphas[0][44, 20] == 0
    assert alphas[1][20, 20] == 0 and alphas[1][44, 20] == 255


def test_transparency_can_be_kept_and_stays_without_a_map(tiny_editor: Editor, cut_out: Image.Image) -> None:
    before = np.asarray(cut_out)[..., 3]
    kept = edited(tiny_editor, cut_out, 1.0, transparency="keep")
    assert np.array_equal(np.asarray(kept.image)[..., 3], before)
    without = edited(tiny_editor, cut_out, None)
    assert np.array_equal(np.asarray(without.image)[..., 3], before)
    assert any("transparency was kept" in notice for notice in without.notices)


def test_an_opaque_picture_hears_nothing_of_transparency(tiny_editor: Editor, picture: Image.Image) -> None:
    opaque = picture.convert("RGB")
    opaque.putalpha(255)
    assert not any("transparen" in notice for notice in edited(tiny_editor, opaque, 1.0).notices)
