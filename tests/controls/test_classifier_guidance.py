"""Guidance through the network: the gradient is right, and one forward is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from benchmarks.blended import TwoForwards
from torch import Tensor

from scumble.controls.classifier_guidance import ClassifierGuidance
from scumble.core.conditioning import Conditioning
from scumble.core.control import Control, RunState, Start
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.core.solvers import Ddim, Ddpm
from scumble.energies.clip import ClipRegion
from scumble.energies.known_gradient import with_gradient
from scumble.energies.picture import RangeExcess
from scumble.energies.protocol import Energy, Judged, Needs, Observation, Place, WeightedEnergy
from scumble.models.clip import spherical_distance, to_square
from tests.support.blended import box, pixel_job, random_clip, tiny_ddpm

ALONE = Guidance(Conditioning(), Conditioning(), 1.0)


@dataclass
class StartAt(Control):
    x: Tensor
    index: int

    def start(self, ctx: RunState) -> Start:
        return Start(self.x, self.index)


def guides(place: Place, weight: float = 60.0, copies: int = 3) -> list[WeightedEnergy]:
    clip = random_clip()
    words = ClipRegion(clip, clip.text_features(["x"]), box() > 0, weight, copies)
    return [WeightedEnergy(energy, place=place) for energy in (words, RangeExcess(5.0))]


@pytest.mark.parametrize("place", ["mean", "eps"])
def test_one_forward_equals_two_bit_for_bit(place: Literal["mean", "eps"]) -> None:
    results, costs = [], []
    for kind in (ClassifierGuidance, TwoForwards):
        batch = pixel_job(tiny_ddpm(), seeds=(3, 4))
        solver = Ddpm("learned_range") if place == "mean" else Ddim()
        start = torch.randn(batch.shape, generator=torch.Generator().manual_seed(1))
        controls = [StartAt(start, 6), ALONE, kind(guides(place), Conditioning())]
        results.append(batch.denoise(batch.levels(10, "ddpm"), solver, controls))
        costs.append((batch.cost.forward_rows, batch.cost.backward_rows))
    assert torch.equal(*results)
    backward = 6 if place == "mean" else 8
    assert costs == [(8, backward), (8 + backward, backward)]


def test_the_gradient_is_that_of_the_whole_loss() -> None:
    model, batch = tiny_ddpm(), pixel_job(tiny_ddpm(), seeds=(3, 4))
    ctx = batch.context(batch.levels(10, "ddpm"), Ddpm("learned_range"))
    ctx.i = 6
    ctx.leaf = x = torch.randn(batch.shape, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    found = model.predict(x, ctx.level, Conditioning())
    s, clip, mask = ctx.level.s, random_clip(), box() > 0
    mixed = s * found.x0 + (1 - s) * x
    features = clip.encode(to_square(torch.where(mask, mixed, 0.0), 28))
    loss = 60 * spherical_distance(features, clip.text_features(["x"])).sum()
    loss = loss + 5 * (found.x0 - found.x0.clamp(-1, 1)).square().mean(dim=(1, 2, 3)).sum()
    (whole,) = torch.autograd.grad(loss, x, retain_graph=True)
    ours = ClassifierGuidance(guides("eps", copies=1), Conditioning()).through_network(ctx, found, found)["eps"]
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
class Cubes(Energy):
    """A smooth loss with a known gradient."""

    of: Judged
    reads = Needs(prediction=True)

    def __call__(self, seen: Observation, origin: Tensor | None) -> Tensor:
        picture = seen.judged(self.of)
        return with_gradient(picture, picture.detach().pow(3).sum(dim=(1, 2, 3)), 3 * picture.detach().square())


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
    ctx.leaf, found = leaf, ctx.network.predict(leaf, ctx.level, Conditioning())
    guidance = ClassifierGuidance([WeightedEnergy(Cubes(of))], Conditioning())
    ours = guidance.through_network(ctx, found, found)["eps"]
    for place in [(0, 0, 0, 0), (1, 2, 3, 1), (0, 1, 2, 2)]:
        step = torch.zeros_like(x)
        step[place] = 1e-5
        slope = (loss(x + step) - loss(x - step)) / 2e-5
        assert slope == pytest.approx(float(ours[place]), rel=1e-6)


def test_without_energies_it_is_plain_sampling_without_a_graph() -> None:
    plain, empty = pixel_job(tiny_ddpm()), pixel_job(tiny_ddpm())
    levels = plain.levels(5, "ddpm")
    one = plain.denoise(levels, Ddpm("learned_range"), [ALONE])
    two = empty.denoise(levels, Ddpm("learned_range"), [ALONE, ClassifierGuidance([], Conditioning())])
    assert torch.equal(one, two)
    assert empty.cost.backward_rows == 0


def test_no_gradient_is_taken_for_a_mean_without_noise() -> None:
    batch = pixel_job(tiny_ddpm())
    guidance = ClassifierGuidance(guides("mean"), Conditioning())
    batch.denoise(batch.levels(4, "ddpm"), Ddpm("learned_range"), [ALONE, guidance])
    assert (batch.cost.forward_rows, batch.cost.backward_rows) == (4, 3)


@pytest.mark.parametrize("place", ["mean", "eps"])
def test_two_guidances_share_a_step_and_add_up(place: Place) -> None:
    """What a method's own losses and energies beside it do together is what one guidance by all of them does."""
    both, joint = pixel_job(tiny_ddpm()), pixel_job(tiny_ddpm())
    levels, solver = both.levels(6, "ddpm"), Ddpm("learned_range") if place == "mean" else Ddim()
    one, other = ([guide] for guide in guides(place))
    start = torch.randn(both.shape, generator=torch.Generator().manual_seed(1))
    begin = StartAt(start, 4)
    apart = [ClassifierGuidance(each, Conditioning()) for each in (one, other)]
    made = both.denoise(levels, solver, [begin, ALONE, *apart])
    together = joint.denoise(levels, solver, [begin, ALONE, ClassifierGuidance([*one, *other], Conditioning())])
    alone = pixel_job(tiny_ddpm()).denoise(levels, solver, [begin, ALONE, apart[0]])
    assert both.cost.forward_rows == joint.cost.forward_rows
    # The second one judges what the first one made of the step; in a shift of the mean that is the same.
    torch.testing.assert_close(made, together, rtol=0, atol=1e-5 if place == "mean" else 0.05)
    assert not torch.equal(made, alone)
