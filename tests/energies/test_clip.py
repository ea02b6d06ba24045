"""Energies of a CLIP and of what goes with it: splitting the batch changes nothing, samples do not see each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.energies.clip import ClipRegion
from scumble.energies.perception import clip_token_distance, perceptual_distance
from scumble.energies.picture import Background, RangeExcess
from scumble.energies.protocol import Energy, Observation
from tests.support.blended import box, pixel_job, random_clip, tiny_ddpm


def pictures(batch: int = 3) -> Tensor:
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def words(copies: int = 5, limit: int = 64, grain: float = 0.0) -> ClipRegion:
    clip = random_clip()
    return ClipRegion(clip, clip.text_features(["x"]), box() > 0, 10.0, copies, limit, view_noise=grain)


def context() -> RunState:
    batch = pixel_job(tiny_ddpm())
    return batch.context(batch.levels(5), Ddim())


def judged(energy: Energy, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Values and gradient of an energy at a picture without noise."""
    leaf = picture.clone().requires_grad_(True)
    value = energy(Observation(context(), leaf, leaf), None)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]


@pytest.mark.parametrize("limit", [1, 2, 4, 7])
@pytest.mark.parametrize("grain", [0.0, 0.1])
def test_a_split_batch_has_the_same_loss_and_gradient(limit: int, grain: float) -> None:
    noise = CounterNoise([1, 2, 3])
    _, loss, slope = words(grain=grain).at(pictures(), noise, 4)
    _, parts, split = words(limit=limit, grain=grain).at(pictures(), noise, 4)
    torch.testing.assert_close(parts, loss, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(split, slope, rtol=1e-4, atol=1e-6)


def test_a_sample_does_not_see_the_others() -> None:
    _, loss, slope = words().at(pictures(), CounterNoise([1, 2, 3]), 4)
    for k in range(3):
        _, own, alone = words().at(pictures()[k : k + 1], CounterNoise([1 + k]), 4)
        torch.testing.assert_close(own, loss[k : k + 1], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(alone, slope[k : k + 1], rtol=1e-4, atol=1e-6)


def test_the_words_pull_inside_the_mask_only() -> None:
    slope = words().at(pictures(), CounterNoise([1, 2, 3]), 0)[2]
    assert float(slope[(box() == 0).expand_as(slope)].abs().max()) == 0
    assert float(slope.abs().max()) > 0


def test_only_the_plain_view_stands_still() -> None:
    one, other = (words(copies=1).at(pictures(), CounterNoise([1, 2, 3]), step)[1] for step in (0, 1))
    assert torch.equal(one, other)
    one, other = (words(copies=2).at(pictures(), CounterNoise([1, 2, 3]), step)[1] for step in (0, 1))
    assert not torch.equal(one, other)


def test_the_excess_of_the_range_has_its_gradient_in_closed_form() -> None:
    leaf = (2 * pictures()).requires_grad_(True)
    loss, slope = judged(RangeExcess(50.0), leaf.detach())
    whole = 50 * (leaf - leaf.clamp(-1, 1)).square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(loss, whole.detach())
    torch.testing.assert_close(slope, torch.autograd.grad(whole.sum(), leaf)[0])


def test_the_background_is_at_rest_where_it_is_the_source() -> None:
    source, mask = pictures(1), box() > 0
    clip = random_clip()
    held = torch.where(mask, torch.zeros_like(source), source)
    name, distance = perceptual_distance(held, lambda: clip)
    edited = torch.where(mask, pictures(2)[1:], source).expand(2, -1, -1, -1)
    loss, slope = judged(Background(held, mask, distance=distance), edited)
    assert float(loss.abs().max()) < 1e-3 and name
    moved, slope = judged(Background(held, mask, distance=distance), edited + 0.1)
    assert float(moved.min()) > 1
    assert float(slope[mask.expand_as(slope)].abs().max()) == 0


def test_published_squares_are_divided_by_the_batch_and_ours_are_not() -> None:
    source, mask = pictures(1), box() > 0
    for published, ratio in ((True, 3.0), (False, 1.0)):
        energy = Background(source, mask, 50.0, 0.0, over_batch=published)
        together, alone = judged(energy, pictures())[1][:1], judged(energy, pictures()[:1])[1]
        torch.testing.assert_close(together * ratio, alone)


def test_token_distance_is_zero_for_the_same_and_positive_for_another() -> None:
    distance = clip_token_distance(pictures(1), random_clip())
    same, other = distance(pictures(1)), distance(pictures(2)[1:])
    assert float(same) == pytest.approx(0, abs=1e-5)
    assert float(other) > 0.01
