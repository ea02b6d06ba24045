"""Rules of guidance: diffusers' where it has them, the papers' equations else; one scale 1 is the prompt's own."""

from __future__ import annotations

import pytest
import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from diffusers.guiders.classifier_free_zero_star_guidance import ClassifierFreeZeroStarGuidance
from diffusers.guiders.guider_utils import rescale_noise_cfg
from diffusers.guiders.tangential_classifier_free_guidance import TangentialClassifierFreeGuidance
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.guiders import RULES
from scumble.core.guiders.adaptive_projection import ELEMENTS, AdaptiveProjection
from scumble.core.guiders.frequency import Frequency
from scumble.core.guiders.plus_plus import FULL, PlusPlus
from scumble.core.guiders.rescale import Rescale
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.core.solvers import Ddim
from scumble.models.base import Model

SHAPE, SCALE, LEVEL = (2, 4, 8, 8), 4.0, Level(500, 0.6, 0.8)
PURE = Level(999, 0.0, 1.0)


def drawn(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def pair(level: Level = LEVEL) -> tuple[Prediction, Prediction]:
    """Two predictions for one x, without and with words; those of real networks are close to each other."""
    x, eps = drawn(0), drawn(1)
    if level.a == 0:
        return Prediction(drawn(3), x), Prediction(drawn(4), x)
    return Prediction.from_eps(eps, x, level), Prediction.from_eps(eps + 0.3 * drawn(2), x, level)


def guided(name: str, scale: float = SCALE, level: Level = LEVEL) -> Prediction:
    return RULES[name]().combine(*pair(level), scale, level)


@pytest.mark.parametrize("level", [LEVEL, PURE], ids=["noisy", "pure"])
@pytest.mark.parametrize("name", sorted(RULES.keys() - {"cfg++"}))
def test_every_rule_keeps_the_image_that_it_is_asked_about(name: str, level: Level) -> None:
    if name == "rescale":
        return  # it scales both halves apart, as diffusers and the paper scale the output alone
    result, x = guided(name, level=level), drawn(0)
    assert torch.allclose(level.a * result.x0 + level.s * result.eps, x, atol=1e-5)


@pytest.mark.parametrize("name", ["apg", "zero-star", "interval", "tangential"])
def test_a_scale_of_one_is_the_prompts_own_prediction(name: str) -> None:
    assert torch.allclose(guided(name, 1.0).eps, pair()[1].eps, atol=1e-5)


def test_zero_star_is_diffusers() -> None:
    theirs = ClassifierFreeZeroStarGuidance(guidance_scale=SCALE, zero_init_steps=0)
    theirs.set_state(0, 10, torch.tensor(500))
    uncond, cond = pair()
    expected = theirs.forward(cond.eps, uncond.eps).pred
    assert float((guided("zero-star").eps - expected).abs().max()) < 1e-6


def test_tangential_is_diffusers() -> None:
    uncond, cond = pair()
    expected = TangentialClassifierFreeGuidance(guidance_scale=SCALE).forward(cond.eps, uncond.eps).pred
    assert float((guided("tangential").eps - expected).abs().max()) < 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize("norm", [2.0, 1000.0])
def test_adaptive_projection_is_diffusers_over_several_steps(norm: float) -> None:
    ours = AdaptiveProjection(norm / (cells := (SHAPE[1] * SHAPE[2] * SHAPE[3] / ELEMENTS) ** 0.5), -0.5, 0.25)
    assert cells < 1
    buffer = MomentumBuffer(-0.5)
    for seed in (5, 6, 7):
        uncond, cond = drawn(seed), drawn(seed) + 0.5 * drawn(seed + 10)
        expected = normalized_guidance(cond, uncond, SCALE - 1, buffer, 0.25, norm, True)
        result = cond + (SCALE - 1) * ours.update(uncond, cond)
        assert float((result - expected).abs().max()) < 1e-5
    ours.begin()
    assert ours.average is None


def test_rescale_is_diffusers() -> None:
    uncond, cond = pair()
    plain = uncond.towards(cond, SCALE)
    expected = rescale_noise_cfg(plain.eps, cond.eps, 0.7)
    assert float((Rescale(0.7).combine(uncond, cond, SCALE, LEVEL).eps - expected).abs().max()) < 1e-6


def test_frequency_with_one_share_is_plain_guidance_and_weakens_what_is_even() -> None:
    uncond, cond = pair()
    plain = uncond.towards(cond, SCALE)
    assert torch.allclose(Frequency(1.0).combine(uncond, cond, SCALE, LEVEL).eps, plain.eps, atol=1e-6)
    even = torch.full(SHAPE, 2.0)
    assert torch.allclose(Frequency(0.5).split(even), even / 2, atol=1e-6)


def test_plus_plus_noises_the_guided_image_with_the_unconditional_noise() -> None:
    uncond, cond = pair()
    result = PlusPlus().combine(uncond, cond, 0.6 * FULL, LEVEL)
    assert torch.equal(result.eps, uncond.eps)
    assert torch.allclose(result.x0, 0.4 * uncond.x0 + 0.6 * cond.x0, atol=1e-6)
    assert torch.equal(PlusPlus().combine(uncond, cond, 50.0, LEVEL).x0, uncond.towards(cond, 1.0).x0)


def test_interval_costs_one_row_outside_and_is_plain_guidance_inside(tiny_sd: Model) -> None:
    levels = tiny_sd.schedule.levels(8)
    rule = RULES["interval"]()
    inside = sum(rule.guides_at(level) for level in levels[:-1])
    assert 0 < inside < 8
    cost = Cost()
    ctx = RunState(tiny_sd, levels, Ddim(), CounterNoise([3]), (1, 4, 8, 8), torch.device("cpu"), cost)
    denoise(ctx, [Guidance(tiny_sd.embed(["a dog"]), tiny_sd.embed([""]), SCALE, guider=rule)])
    assert cost.forward_rows == 8 + inside
    uncond, cond = pair()
    assert torch.equal(rule.combine(uncond, cond, SCALE, LEVEL).x0, uncond.towards(cond, SCALE).x0)
