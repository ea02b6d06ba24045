"""Energies of the predicted picture: their gradients, and what must hold exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.energies.clip import ClipGoal, ClipNearness
from scumble.energies.picture import Background, Color, PixelDistance, RangeExcess
from scumble.energies.protocol import Energy, Observation
from scumble.energies.vit import VitEnergy
from scumble.models.vision import VisionFeatures
from tests.support.blended import random_clip
from tests.support.toys import context

SHAPE = (2, 3, 16, 16)


def seen_of(x0: Tensor) -> Observation:
    return Observation(context(shape=SHAPE), x0, x0)


def picture(seed: int) -> Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def wide_clip() -> Any:
    clip = random_clip()
    for name in ("w1", "b1", "w2", "text", "mean", "std"):
        setattr(clip, name, getattr(clip, name).double())
    return clip


def extract(pictures: Tensor) -> VisionFeatures:
    tokens = torch.tanh(F.avg_pool2d(pictures, 4).flatten(2).transpose(1, 2) @ torch.ones(3, 5, dtype=torch.float64))
    weights = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(3, 5)
    return VisionFeatures(tokens + F.avg_pool2d(pictures, 4).flatten(2).transpose(1, 2) @ weights, tokens.mean(1))


def mask() -> Tensor:
    inside = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    inside[..., 3:9, 5:12] = 1
    return inside


def direction() -> Tensor:
    return F.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(3), dtype=torch.float64), dim=-1)


BUILT_IN: dict[str, Callable[[], Energy]] = {
    "pixels": lambda: PixelDistance(picture(5)[:1], 30.0),
    "background": lambda: Background(torch.where(mask() > 0, 0.0, picture(5)[:1]), mask() > 0),
    "range": lambda: RangeExcess(50.0),
    "colour": lambda: Color((0.9, -0.5, -0.5), mask()),
    "every pixel's colour": lambda: Color((0.9, -0.5, -0.5), None, mean=False),
    "clip words": lambda: ClipNearness(wide_clip(), direction(), copies=2),
    "clip cosine": lambda: ClipNearness(wide_clip(), direction(), copies=1, kind="cosine", mask=mask()),
    "clip goal": lambda: ClipGoal(wide_clip(), direction(), copies=2),
    "vit likeness": lambda: VitEnergy(extract, extract(picture(6)), None, 0.0, 1000.0, 0.0),
    "vit contrast": lambda: VitEnergy(extract, extract(picture(6)), None, 200.0, 0.0, 0.0),
    "vit style": lambda: VitEnergy(extract, extract(picture(6)), extract(picture(7)), 0.0, 0.0, 0.0),
    "vit divergence": lambda: VitEnergy(extract, extract(picture(6)), None, 0.0, 0.0, 100.0, rest=9),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    x = 1.5 * picture(1)
    leaf = x.clone().requires_grad_(True)
    value = BUILT_IN[name]()(seen_of(leaf), None)
    assert value.shape == (2,)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    assert float(gradient.abs().max()) > 1e-8
    step = 1e-6 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ahead, back = (BUILT_IN[name]()(seen_of(x + s), None).sum() for s in (step, -step))
    assert float(ahead - back) / 2 == pytest.approx(float((gradient * step).sum()), rel=1e-4)


def test_energies_are_zero_where_the_wish_is_fulfilled() -> None:
    here, known = seen_of(picture(1)), extract(picture(1))
    assert float(PixelDistance(picture(1), of="x0")(here, None).abs().max()) == 0
    assert float(RangeExcess()(here, None).abs().max()) == 0
    assert float(VitEnergy(extract, known, known, 0.0, 1000.0, 100.0, rest=9)(here, None).abs().max()) == 0
    flat = torch.tensor((0.2, -0.4, 0.6), dtype=torch.float64).reshape(1, 3, 1, 1).expand(SHAPE)
    assert float(Color((0.2, -0.4, 0.6))(seen_of(flat), None).max()) < 1e-20


def test_what_lies_outside_the_mask_has_no_gradient() -> None:
    for energy in (Color((1, 0, 0), mask()), BUILT_IN["clip cosine"]()):
        leaf = picture(1).requires_grad_(True)
        (gradient,) = torch.autograd.grad(energy(seen_of(leaf), None).sum(), leaf)
        assert float((gradient * (1 - mask())).abs().max()) == 0


def test_divergence_is_from_the_step_before() -> None:
    energy = VitEnergy(extract, extract(picture(1)), None, 0.0, 0.0, 100.0, rest=9)
    assert float(energy(seen_of(picture(1)), None).abs().max()) == 0
    first = energy(seen_of(picture(2)), None)
    assert float(first.max()) < 0
    assert float(energy(seen_of(picture(2)), None).abs().max()) == 0


def test_one_pass_of_the_transformer_serves_all_its_losses() -> None:
    passes = []

    def counted(pictures: Tensor) -> VisionFeatures:
        passes.append(1)
        return extract(pictures)

    VitEnergy(counted, extract(picture(6)), extract(picture(7)), rest=9)(seen_of(picture(1)), None)
    assert len(passes) == 1
