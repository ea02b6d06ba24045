"""Extending augmentations: what a map does to a picture, and where its numbers come from."""

from __future__ import annotations

import pytest
import torch

from scumble.core.noise import CounterNoise
from scumble.energies.augment import draw_views, uniform, view_maps, warp

SIDE = 12


def picture(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def numbers(**given: float) -> torch.Tensor:
    names = ["turn", "angle", "x", "y", "see", *(f"corner{k}" for k in range(8))]
    start = dict.fromkeys(names, 0.0) | {"turn": 0.9, "see": 0.9, "angle": 0.5, "x": 0.5, "y": 0.5}
    return torch.tensor([[(start | given)[name] for name in names]], dtype=torch.float64)


def test_the_identity_returns_the_picture() -> None:
    maps = view_maps(numbers()).expand(2, 2, 3, 3)
    torch.testing.assert_close(warp(picture(), maps), picture(), atol=1e-6, rtol=0)


def test_a_shift_moves_whole_pixels_and_repeats_the_edge() -> None:
    maps = view_maps(numbers(turn=0.0, x=1.0), shift=3 / SIDE)
    views = warp(picture(1), maps)
    torch.testing.assert_close(views[..., : SIDE - 3], picture(1)[..., 3:], atol=1e-5, rtol=0)
    edge = picture(1)[..., -1:].expand(-1, -1, -1, 3)
    torch.testing.assert_close(views[..., SIDE - 3 :], edge, atol=1e-5, rtol=0)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    maps = view_maps(numbers(turn=0.0, angle=1.0), degrees=90.0)
    views = warp(picture(1), maps)
    same = [torch.allclose(views, torch.rot90(picture(1), k, (-2, -1)), atol=1e-5) for k in (1, 3)]
    assert sum(same) == 1


def test_a_perspective_takes_the_moved_corners_to_the_corners_and_leaves_grey_around() -> None:
    corners = {f"corner{k}": v for k, v in enumerate((0.2, 0.5, 0.9, 0.1, 0.4, 0.4, 0.0, 0.8))}
    maps = view_maps(numbers(see=0.0, **corners))
    moved = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=torch.float64)
    inward = moved * (1 - 0.7 * torch.tensor(list(corners.values()), dtype=torch.float64).reshape(4, 2))
    to = torch.cat([inward, torch.ones(4, 1, dtype=torch.float64)], dim=1) @ maps[0, 1].T
    torch.testing.assert_close(to[:, :2] / to[:, 2:], moved)
    views = warp(torch.ones(1, 1, SIDE, SIDE), maps)
    assert float(views.min()) == 0.0
    assert float(views[..., SIDE // 2, SIDE // 2]) == pytest.approx(1.0)


def test_a_view_does_not_depend_on_how_many_others_there_are() -> None:
    noise = CounterNoise([5, 6, 7])
    many, few = draw_views(noise, 3, 6, step=2), draw_views(CounterNoise([6]), 1, 2, step=2)
    assert torch.equal(many[:2, 1:2], few)
    assert not torch.equal(many[0], many[1])
    assert not torch.equal(many, draw_views(noise, 3, 6, step=3))


def test_uniform_numbers_are_uniform() -> None:
    drawn = uniform(CounterNoise(range(50)), (50, 100), "x", 0).flatten()
    assert float(drawn.min()) > 0 and float(drawn.max()) < 1
    ranks = torch.arange(1, len(drawn) + 1, dtype=torch.float64) / len(drawn)
    assert float((drawn.sort().values - ranks).abs().max()) < 0.03


def test_the_gradient_reaches_the_picture() -> None:
    leaf = picture().double().requires_grad_(True)
    maps = draw_views(CounterNoise([1, 2]), 2, 1, step=0)[0]
    assert torch.autograd.gradcheck(lambda p: warp(p, maps).square().sum(), (leaf,))
