"""Edits of the noise itself: a moved or mirrored path gives the moved or mirrored picture; colour pulls."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from scumble.controls.stored_noise import StoredNoise
from scumble.core.conditioning import Conditioning
from scumble.core.control import Control, RunState, Transition
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.inversion.edit_friendly import edit_friendly
from scumble.inversion.inversion import Inversion
from scumble.inversion.transforms import flipped, shifted
from scumble.methods.inversion_based.color_pull import ColorPull
from tests.support.toys import SHAPE, ToyNetwork, context

X0 = torch.randn(SHAPE, generator=torch.Generator().manual_seed(5))
COND = Conditioning(embeds=torch.full((1, 2, 3), 0.3))
NULL = Conditioning(embeds=torch.zeros(1, 2, 3))


def inverted(network: ToyNetwork, first: int = 2) -> tuple[RunState, Inversion]:
    ctx = context(network, solver=Ddim(eta=1.0))
    path = edit_friendly(ctx, X0, Guidance(COND, NULL, 3.5), first=first, chunk=1)
    return ctx, Inversion("edit-friendly", ctx.levels, first, path.xs, path.zs, path.residuals)


def edited(ctx: RunState, inversion: Inversion, *more: Control) -> Tensor:
    return denoise(ctx, [StoredNoise(inversion), *more, Guidance(NULL, COND, 2.0)])


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (0, -1), (2, 3), (-7, 4)])
def test_rolling_the_noise_of_a_circular_network_rolls_the_picture_exactly(dx: int, dy: int) -> None:
    ctx, inversion = inverted(ToyNetwork())  # its only mixing of pixels is circular
    plain, moved = edited(ctx, inversion), edited(ctx, shifted(inversion, dx, dy))
    assert torch.equal(moved, plain.roll((dy, dx), (-2, -1)))
    assert not torch.equal(moved, plain)


@pytest.mark.parametrize(("axis", "dim"), [("horizontal", -1), ("vertical", -2)])
def test_mirroring_the_noise_of_a_symmetric_network_mirrors_the_picture_exactly(
    axis: Literal["horizontal", "vertical"], dim: int
) -> None:
    ctx, inversion = inverted(ToyNetwork(raw=lambda x, t: 0.5 * torch.sin(2 * x)))
    assert torch.equal(edited(ctx, flipped(inversion, axis)), edited(ctx, inversion).flip(dim))
    twice = flipped(flipped(inversion, axis), axis)
    assert torch.equal(twice.xs, inversion.xs)


def test_what_comes_in_afresh_has_the_statistics_of_its_level_and_all_else_is_rolled() -> None:
    xs = torch.randn(4, 1, 2, 60, 60, generator=torch.Generator().manual_seed(1))
    xs = xs * torch.tensor([3.0, 0.5]).reshape(2, 1, 1) + 2.0
    ctx = context()
    inversion = Inversion("edit-friendly", ctx.levels, 5, xs, 4 * xs[1:], 0.1 * xs[1:])
    noise = CounterNoise([8])

    def draw(stream: str, step: int) -> Tensor:
        return noise.normal((1, 2, 60, 60), stream, step)

    moved, rolled = shifted(inversion, 20, -10, draw), shifted(inversion, 20, -10)
    free = torch.zeros(60, 60, dtype=torch.bool)
    free[:, :20] = True
    free[50:] = True
    for own, other in ((moved.xs, rolled.xs), (moved.zs, rolled.zs)):
        assert own is not None
        assert other is not None
        assert torch.equal(own[..., ~free], other[..., ~free])
        assert bool((own[..., free] != other[..., free]).all())
    torch.testing.assert_close(moved.xs[..., free].mean(-1), xs.mean((-2, -1)), atol=0.3, rtol=0)
    torch.testing.assert_close(moved.xs[..., free].std(-1), xs.std((-2, -1)), atol=0, rtol=0.1)
    assert moved.zs is not None
    assert float(moved.zs[..., free].mean()) == pytest.approx(0, abs=0.05)  # as the sampler's own noise
    assert float(moved.zs[..., free].std()) == pytest.approx(1, abs=0.05)
    assert moved.residuals is not None
    assert bool((moved.residuals[..., free] == 0).all())
    assert torch.equal(shifted(inversion, 20, -10, draw).xs, moved.xs)


def test_the_pull_is_the_paper_s_and_only_in_its_region_and_steps() -> None:
    ctx, inversion = inverted(ToyNetwork())
    mask = torch.zeros(1, 1, *SHAPE[2:])
    mask[..., 2:] = 1.0
    target = torch.full((1, 3, 1, 1), 2.0)
    seen: list[tuple[int, Tensor, Tensor]] = []

    class Look(Control):
        def after(self, ctx: RunState, move: Transition) -> Transition:
            assert move.noise is not None
            seen.append((ctx.i, move.noise, move.prediction.x0))
            return move

    edited(ctx, inversion, ColorPull(mask, target, 0.3, 4, 7), Look())
    assert inversion.zs is not None
    for i, noise, x0 in seen:
        pull = 0.3 * mask * (target - x0) if 4 <= i < 7 else torch.zeros_like(x0)
        assert torch.equal(noise, inversion.zs[i - 2] + pull)
    assert [i for i, *_ in seen] == [2, 3, 4, 5, 6, 7]


def test_a_pull_brings_the_picture_nearer_to_its_colour_and_a_negative_one_away() -> None:
    ctx, inversion = inverted(ToyNetwork(raw=lambda x, t: 0.5 * x))
    target = torch.full((1, 3, 1, 1), 3.0)
    distance = [
        float((edited(ctx, inversion, ColorPull(torch.ones(1, 1, 1, 1), target, s, 3, 7)) - target).abs().mean())
        for s in (0.5, 0.0, -0.5)
    ]
    assert distance == sorted(distance)
    assert distance[0] < 0.95 * distance[1] < 0.95**2 * distance[2]
    assert torch.equal(
        edited(ctx, inversion, ColorPull(torch.ones(1, 1, 1, 1), target, 0.0, 0, 8)), edited(ctx, inversion)
    )


def test_a_step_without_stored_noise_is_left_alone_by_a_pull() -> None:
    ctx, inversion = inverted(ToyNetwork())
    path = replace(inversion, zs=None, residuals=None)
    pull = ColorPull(torch.ones(1, 1, 1, 1), torch.zeros(1, 3, 1, 1), 1.0, 0, 8)
    ctx.solver = Ddim(eta=0.0)
    assert torch.equal(edited(ctx, path, pull), edited(ctx, path))
