"""Guidance through the network: the gradient is right, and one forward is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from benchmarks.blended import TwoForwards
from torch import Tensor

from scumble.controls.network_gradient import NetworkGradient
from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Start
from scumble.core.prediction import Prediction
from scumble.core.solvers import Ddim, Ddpm
from scumble.energies.clip_terms import ClipTerm, RangeTerm
from scumble.models.clip import spherical_distance, squared
from tests.support.blended import box, pixel_job, random_clip, tiny_ddpm
from tests.support.toys import Asks


@dataclass
class StartAt(Control):
    x: Tensor
    index: int

    def start(self, ctx: RunState) -> Start:
        return Start(self.x, self.index)


def terms(weight: float = 60.0, copies: int = 3) -> list[ClipTerm | RangeTerm]:
    clip = random_clip()
    words = ClipTerm(clip, clip.text_features(["x"]), box() > 0, weight, copies)
    return [words, RangeTerm(5.0)]


@pytest.mark.parametrize("place", ["mean", "eps"])
def test_one_forward_equals_two_bit_for_bit(place: Literal["mean", "eps"]) -> None:
    results, costs = [], []
    for kind in (NetworkGradient, TwoForwards):
        batch = pixel_job(tiny_ddpm(), seeds=(3, 4))
        solver = Ddpm("learned_range") if place == "mean" else Ddim()
        guidance = kind(terms(), place=place)
        start = torch.randn(batch.shape, generator=torch.Generator().manual_seed(1))
        results.append(batch.denoise(batch.levels(10, "ddpm"), solver, [StartAt(start, 6), guidance]))
        costs.append((batch.cost.forward_rows, batch.cost.backward_rows))
    assert torch.equal(*results)
    backward = 6 if place == "mean" else 8
    assert costs == [(8, backward), (8 + backward, backward)]


def test_the_gradient_is_that_of_the_whole_loss() -> None:
    model, batch = tiny_ddpm(), pixel_job(tiny_ddpm(), seeds=(3, 4))
    ctx = batch.context(batch.levels(10, "ddpm"), Ddpm("learned_range"))
    ctx.i = 6
    x = torch.randn(batch.shape, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    words, in_range = terms(copies=1)
    found = model.predict(x, ctx.level, Conditioning())
    s, clip, mask = ctx.level.s, random_clip(), box() > 0
    mixed = s * found.x0 + (1 - s) * x
    features = clip.encode(squared(torch.where(mask, mixed, 0.0), 28))
    loss = 60 * spherical_distance(features, clip.text_features(["x"])).sum()
    loss = loss + 5 * (found.x0 - found.x0.clamp(-1, 1)).square().mean(dim=(1, 2, 3)).sum()
    (whole,) = torch.autograd.grad(loss, x, retain_graph=True)
    ours = NetworkGradient([words, in_range]).through_network(ctx, x, found)
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(ours, whole, rtol=1e-4, atol=1e-6 * float(whole.abs().max()))


class Toy:
    """Three parameters: eps = w0 tanh(x) + w1 x + w2 x mean(x), in float64."""

    clip_sample = None
    w = torch.tensor([0.7, -0.2, 0.3], dtype=torch.float64)

    def predict(self, x, level, cond, taps=()):  # type: ignore[no-untyped-def]
        w = self.w
        eps = w[0] * torch.tanh(x) + w[1] * x + w[2] * x * x.mean(dim=(1, 2, 3), keepdim=True)
        return Prediction.from_eps(eps, x, level)


@dataclass
class Squares:
    """A smooth loss with a known gradient."""

    of: Literal["x0", "mixed"]

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        return picture.pow(3).sum(dim=(1, 2, 3)), 3 * picture.square()


@pytest.mark.parametrize("of", ["x0", "mixed"])
def test_finite_differences_agree_on_a_toy(of: Literal["x0", "mixed"]) -> None:
    batch = pixel_job(tiny_ddpm())
    ctx = batch.context(batch.levels(10, "ddpm"), Ddim())
    ctx.network, ctx.i = Toy(), 4
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def loss(at: Tensor) -> float:
        x0 = ctx.network.predict(at, ctx.level, Conditioning()).x0
        mixed = ctx.level.s * x0 + (1 - ctx.level.s) * at
        return float((x0 if of == "x0" else mixed).pow(3).sum())

    leaf = x.clone().requires_grad_(True)
    ours = NetworkGradient([Squares(of)]).through_network(
        ctx, leaf, ctx.network.predict(leaf, ctx.level, Conditioning())
    )
    for place in [(0, 0, 0, 0), (1, 2, 3, 1), (0, 1, 2, 2)]:
        step = torch.zeros_like(x)
        step[place] = 1e-5
        slope = (loss(x + step) - loss(x - step)) / 2e-5
        assert slope == pytest.approx(float(ours[place]), rel=1e-6)


def test_without_terms_it_is_plain_sampling_without_a_graph() -> None:
    plain, empty = pixel_job(tiny_ddpm()), pixel_job(tiny_ddpm())
    levels = plain.levels(5, "ddpm")
    one = plain.denoise(levels, Ddpm("learned_range"), [Asks(Branch("cond", Conditioning()))])
    two = empty.denoise(levels, Ddpm("learned_range"), [NetworkGradient([])])
    assert torch.equal(one, two)
    assert empty.cost.backward_rows == 0


def test_no_gradient_is_taken_for_a_mean_without_noise() -> None:
    batch = pixel_job(tiny_ddpm())
    batch.denoise(batch.levels(4, "ddpm"), Ddpm("learned_range"), [NetworkGradient(terms())])
    assert (batch.cost.forward_rows, batch.cost.backward_rows) == (4, 3)
