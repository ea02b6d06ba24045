"""Regularised inversion: closed gradients, white noise, and the published walk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.editing.editor import Editor
from scumble.methods.attention.pix2pix_zero import Pix2PixZero
from scumble.methods.attention.white_noise import (
    correlation,
    correlation_gradient,
    divergence,
    divergence_gradient,
    largest_shifts,
)
from scumble.methods.attention.whitened_inversion import Regularizer, drawn_from, whitened_path
from scumble.methods.official.whitened_walk import published_walk
from scumble.models.base import Model


def noise(h: int = 16, w: int = 16, batch: int = 2) -> Tensor:
    g = torch.Generator().manual_seed(4)
    return 0.3 + 0.8 * torch.randn(batch, 4, h, w, generator=g, dtype=torch.float64)


@pytest.mark.parametrize(("h", "w"), [(16, 16), (64, 32), (20, 24), (8, 8)])
def test_closed_gradients_are_those_of_autograd(h: int, w: int) -> None:
    e = noise(h, w)
    draw = drawn_from(CounterNoise([1, 2]))
    shifts = draw(0, 1, 2, 4, largest_shifts(h, w))[0]
    leaf = e.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(correlation(leaf, shifts).sum(), leaf)
    torch.testing.assert_close(correlation_gradient(e, shifts), slope, rtol=1e-9, atol=1e-15)
    (slope,) = torch.autograd.grad(divergence(leaf).sum(), leaf)
    torch.testing.assert_close(divergence_gradient(e), slope, rtol=1e-9, atol=1e-15)


def test_shifts_are_never_zero_and_do_not_depend_on_the_batch() -> None:
    """A shift of 0, which diffusers draws, would punish variance instead of correlation."""
    largest = largest_shifts(64, 64)
    assert largest == [31, 15, 7, 3]
    both = drawn_from(CounterNoise([1, 2]))(3, 50, 2, 4, largest)
    alone = drawn_from(CounterNoise([2]))(3, 50, 1, 4, largest)
    assert torch.equal(both[:, 1:], alone)
    assert int(both.min()) == 1
    assert both.amax((0, 1, 2)).tolist() == largest


def test_whitening_moves_variance_mean_and_correlation_towards_white_noise() -> None:
    e = noise() + noise().roll(3, -1)
    white = Regularizer(drawn_from(CounterNoise([1, 2])))(e, 0)
    shifts = torch.full((2, 4, 2), 3)
    assert float(correlation(white, shifts).sum()) < float(correlation(e, shifts).sum())
    for k in range(2):
        assert abs(float(white[k].mean())) < abs(float(e[k].mean()))
        assert abs(float(white[k].var()) - 1) < abs(float(e[k].var()) - 1)


def context(model: Model, steps: int, shape: tuple[int, ...]) -> RunState:
    levels = model.schedule.levels(steps)
    return RunState(model, levels, Ddim(), CounterNoise([0]), shape, torch.device("cpu"), Cost())


def recorded_rolls(case: Any, levels: int = 2) -> Any:
    rolls = case["rolls"].long().reshape(-1, 25, 1, 4, levels)
    return lambda step, times, batch, channels, largest: rolls[step]


def test_the_losses_are_the_published_ones(reference: Any) -> None:
    case = reference("p2pzero_inversion")
    e, shifts = case["eps_raw"][:1], case["ac_rolls"].reshape(1, 4, 2)
    torch.testing.assert_close(correlation(e, shifts)[0], case["ac_loss"], rtol=1e-5, atol=0)
    torch.testing.assert_close(correlation_gradient(e, shifts), case["ac_grad"], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(divergence(e)[0], case["kl_loss"], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(divergence_gradient(e), case["kl_grad"], rtol=1e-5, atol=1e-8)
    regulate = Regularizer(recorded_rolls(case))
    for step in range(3):
        ours = regulate(case["eps_raw"][step : step + 1], step)
        torch.testing.assert_close(ours, case["eps_reg"][step : step + 1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["p2pzero_inversion", "p2pzero_inversion_plain"])
def test_the_published_inversion_is_reproduced(reference: Any, tiny_sd: Model, name: str) -> None:
    case = reference(name)
    settings = case.settings
    embeds = tiny_sd.text.encoders[0].network(case["ids"])[0].detach()  # type: ignore[attr-defined]
    cond = Conditioning(embeds)
    draw = recorded_rolls(case) if settings["lambda_ac"] else drawn_from(CounterNoise([0]))
    regulate = Regularizer(draw, settings["lambda_ac"], settings["lambda_kl"])
    z0, steps = case["z0"], settings["num_inversion_steps"]
    with torch.no_grad():
        xs = published_walk(context(tiny_sd, steps, z0.shape), z0, Guidance(cond, cond), regulate, tiny_sd.schedule)
    assert len(xs) == steps - 2
    for k in range(3):
        torch.testing.assert_close(xs[k], case["latents"][k : k + 1], rtol=0, atol=2e-3)
    torch.testing.assert_close(xs[-1], case["x_inv"], rtol=0, atol=2e-3)


def test_our_walk_visits_the_levels_of_sampling_and_theirs_does_not(tiny_sd: Model) -> None:
    """Without weights ours is plain DDIM inversion; the published one misses two steps and is one level off."""
    from scumble.inversion.ddim import ddim

    g = torch.Generator().manual_seed(1)
    x0 = torch.randn(1, 4, 8, 8, generator=g)
    cond = tiny_sd.embed(["a cat"])
    ctx, off = context(tiny_sd, 6, (1, 4, 8, 8)), Regularizer(drawn_from(CounterNoise([0])), 0, 0)
    with torch.no_grad():
        ours = whitened_path(ctx, x0, Guidance(cond, cond), off)
        plain = ddim(ctx, x0, Guidance(cond, cond)).xs
        theirs = published_walk(ctx, x0, Guidance(cond, cond), off, tiny_sd.schedule)
    assert torch.equal(ours, plain)
    assert len(theirs) == 4
    assert not torch.allclose(theirs[-1], ours[0], atol=1e-2)


def test_the_number_of_shifts_is_five_unless_given(tiny_editor: Editor, picture: Image.Image) -> None:
    fields: dict[str, Any] = {"prompt": "a dog", "source_prompt": "a cat", "num_inference_steps": 2, "rounds": 1}
    usual, five, one = (
        np.asarray(tiny_editor.edit(picture, Pix2PixZero(**fields, **more), seed=1).image)
        for more in ({}, {"num_ac_rolls": 5}, {"num_ac_rolls": 1})
    )
    assert np.array_equal(usual, five) and not np.array_equal(usual, one)
