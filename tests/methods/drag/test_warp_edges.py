"""A pull ends in nothing at its reach and at the mask's edge; on photographs only solid things move as a whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.editing.editor import Editor
from scumble.methods.drag.displacement import FINE, displacement
from scumble.methods.drag.points import PointPair
from scumble.methods.drag.solid_segment import solid_segment_at
from scumble.methods.drag.warp_drag import WarpDrag
from tests.images.drawn import photograph

PAIR = PointPair((40.0, 40.0), (48.0, 40.0))


def _mask(size: int = 96) -> torch.Tensor:
    mask = torch.zeros(size, size)
    mask[16:70, 20:76] = 1
    return mask


@pytest.mark.parametrize("reach", [None, 60.0])
def test_nothing_moves_at_the_edge_of_the_mask(reach: float | None) -> None:
    field = displacement((96, 96), [PAIR], _mask(), reach)
    held = _mask() == 0
    rim = torch.nn.functional.max_pool2d(held[None, None].float(), 3, 1, 1)[0, 0] > 0
    held_fine, rim_fine = (np.repeat(np.repeat(one.numpy(), FINE, 0), FINE, 1) for one in (held, rim))
    assert np.abs(field.offset[held_fine]).max() == 0.0 and np.abs(field.offset[rim_fine]).max() < 0.2
    steps = np.abs(np.diff(field.offset[..., 1], axis=1)).max()
    assert steps < 0.9 and np.abs(field.offset).max() == pytest.approx(8.0, abs=0.2)


def test_nothing_moves_at_the_reach() -> None:
    field = displacement((96, 96), [PAIR], None, 20.0)
    rows, columns = ((np.arange(96 * FINE) + 0.5) / FINE - 0.5 for _ in range(2))
    far = np.hypot(rows[:, None] - 40, columns[None] - 40) >= 20
    assert np.abs(field.offset[far]).max() == 0.0
    near = np.abs(field.offset[~far]).max(axis=1)
    assert near.max() > 7.5


def test_a_ball_of_a_photograph_is_one_smooth_thing() -> None:
    picture = torch.from_numpy(photograph(1024, 768) / 127.5 - 1).float().permute(2, 0, 1)
    mask = torch.zeros(768, 1024)
    mask[160:480, 140:620] = 1
    thing = solid_segment_at(picture, (300.0, 330.0), mask)
    assert thing is not None
    y, x = np.mgrid[0:768, 0:1024]
    ball = np.hypot(x - 0.3 * 1024, y - 0.42 * 768) < 0.12 * 1024
    both, either = (thing.numpy() > 0) & ball, (thing.numpy() > 0) | ball
    assert both.sum() / either.sum() > 0.8


def test_a_preview_works_at_the_size_of_the_picture(tiny_editor: Editor) -> None:
    picture = photograph(700, 500)
    mask = np.zeros((500, 700), np.float32)
    mask[120:380, 110:430] = 1
    method = WarpDrag(points=((210, 210, 260, 220),), change_map=mask, preview=True, feather=0)
    result = tiny_editor.edit(Image.fromarray(picture), method, seed=0)
    after = np.asarray(result.image)
    assert np.array_equal(after[mask == 0], picture[mask == 0]) and result.recipe.windows[0].sigma == 1.0
    moved = after[190:240, 235:285].astype(int) - picture[180:230, 185:235]
    assert np.abs(moved).mean() < 4
