"""A network's output of any kind becomes one clean part and one noise part."""

from __future__ import annotations

import pytest
import torch

from scumble.core.prediction import Prediction, coefficients, noised
from scumble.core.schedule import Level, Schedule
from tests.support.toys import SHAPE

SCHEDULE = Schedule.from_config({"_class_name": "DDIMScheduler"})
LEVELS = [SCHEDULE.at(t) for t in (0, 10, 300, 700)]
FLOW = Level(t=400.0, a=0.6, s=0.4)
KINDS = ("epsilon", "v_prediction", "sample", "flow")


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(SHAPE, generator=generator) * 2 - 1, torch.randn(SHAPE, generator=generator)


def output_of(kind: str, x0: torch.Tensor, eps: torch.Tensor, level: Level) -> torch.Tensor:
    return {
        "epsilon": eps,
        "v_prediction": level.a * eps - level.s * x0,
        "sample": x0,
        "flow": eps - x0,
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", range(len(LEVELS)))
def test_every_kind_of_output_gives_back_the_parts_it_was_made_of(kind: str, index: int) -> None:
    level = FLOW if kind == "flow" else LEVELS[index]
    x0, eps = pair()
    found = Prediction.from_output(kind, output_of(kind, x0, eps, level), noised(x0, eps, level), level)
    assert (found.x0 - x0).abs().max() < 1e-5
    # at the cleanest level the noise part is divided by s = 0.01
    assert (found.eps - eps).abs().max() < 1e-6 / level.s + 1e-6
    assert found.variance is None


def test_the_two_parts_add_up_to_what_was_evaluated() -> None:
    x, output = pair()
    for kind in KINDS:
        level = FLOW if kind == "flow" else LEVELS[2]
        found = Prediction.from_output(kind, output, x, level)
        assert torch.allclose(noised(found.x0, found.eps, level), x, atol=1e-5)


def test_twice_the_channels_are_a_prediction_and_its_variance() -> None:
    x, output = pair()
    found = Prediction.from_output("epsilon", torch.cat([output, 2 * output], dim=1), x, LEVELS[1])
    assert torch.equal(found.eps, output)
    assert found.variance is not None
    assert torch.equal(found.variance, 2 * output)


def test_an_unknown_kind_is_refused() -> None:
    x, output = pair()
    with pytest.raises(ValueError, match="score"):
        Prediction.from_output("score", output, x, LEVELS[1])


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_level_per_row_equals_each_row_at_its_own_level(kind: str) -> None:
    x, output = pair()
    levels = [LEVELS[1], LEVELS[3]]
    both = Prediction.from_output(kind, output, x, levels)
    for i, level in enumerate(levels):
        alone = Prediction.from_output(kind, output[i : i + 1], x[i : i + 1], level)
        assert torch.allclose(both.rows(i, i + 1).x0, alone.x0, rtol=1e-5)
        assert torch.allclose(both.rows(i, i + 1).eps, alone.eps, rtol=1e-5)
    assert torch.allclose(noised(x, output, levels)[1:], noised(x[1:], output[1:], levels[1]))


def test_coefficients_have_the_type_of_the_tensor_they_serve() -> None:
    a, s = coefficients(LEVELS[:2], torch.zeros(2, 3, 4, 5, dtype=torch.float64))
    assert isinstance(a, torch.Tensor)
    assert isinstance(s, torch.Tensor)
    assert (a.dtype, a.shape) == (torch.float64, (2, 1, 1, 1))
    assert a.flatten().tolist() == [LEVELS[0].a, LEVELS[1].a]
    assert coefficients(LEVELS[0], torch.zeros(1)) == (LEVELS[0].a, LEVELS[0].s)


def test_from_eps_equals_the_conversion_of_a_noise_output() -> None:
    x, eps = pair()
    variance = torch.ones(SHAPE)
    one, other = Prediction.from_eps(eps, x, LEVELS[2], variance), Prediction.from_output("epsilon", eps, x, LEVELS[2])
    assert torch.equal(one.x0, other.x0)
    assert torch.equal(one.eps, other.eps)
    assert one.variance is variance


def test_guidance_between_equal_rows_returns_the_row_exactly() -> None:
    x, eps = pair()
    row = Prediction.from_eps(eps, x, LEVELS[2])
    guided = row.towards(Prediction.from_eps(eps.clone(), x, LEVELS[2]), 7.5)
    assert torch.equal(guided.x0, row.x0)
    assert torch.equal(guided.eps, row.eps)


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_after_conversion_equals_guidance_on_the_raw_output(kind: str) -> None:
    level = FLOW if kind == "flow" else LEVELS[2]
    x, empty = pair(0)
    words = pair(1)[1]
    guided = Prediction.from_output(kind, empty, x, level).towards(Prediction.from_output(kind, words, x, level), 5.0)
    raw = Prediction.from_output(kind, empty + 5.0 * (words - empty), x, level)
    assert torch.allclose(guided.x0, raw.x0, atol=1e-4)
    assert torch.allclose(guided.eps, raw.eps, atol=1e-4)


def test_guidance_takes_the_variance_of_the_conditional_row() -> None:
    x, eps = pair()
    a, b = torch.zeros(SHAPE), torch.ones(SHAPE)
    guided = Prediction.from_eps(eps, x, LEVELS[1], a).towards(Prediction.from_eps(eps, x, LEVELS[1], b), 3.0)
    assert guided.variance is b


def test_clipping_keeps_x0_inside_and_lets_eps_agree_with_it() -> None:
    x, eps = pair()
    found = Prediction.from_eps(3 * eps, x, LEVELS[2]).clipped(LEVELS[2], 0.7)
    assert found.x0.abs().max() == pytest.approx(0.7)
    assert torch.allclose(noised(found.x0, found.eps, LEVELS[2]), x, atol=1e-5)


def test_clipping_leaves_what_is_inside_bitwise_alone_also_a_noise_part_that_was_made_to_differ() -> None:
    x, eps = pair()
    asymmetric = Prediction(x0=0.5 * torch.tanh(x), eps=eps)
    found = asymmetric.clipped(LEVELS[2], 1.0)
    assert torch.equal(found.x0, asymmetric.x0)
    assert torch.equal(found.eps, asymmetric.eps)


def test_clipping_at_the_clean_level_divides_by_nothing() -> None:
    x, eps = pair()
    found = Prediction(2 * x, eps).clipped(Level(0.0, 1.0, 0.0), 1.0)
    assert torch.isfinite(found.eps).all()
    assert found.x0.abs().max() <= 1


def test_detach_lets_go_of_the_graph_of_all_parts() -> None:
    x = pair()[0].requires_grad_(True)
    found = Prediction(x * 2, x * 3, x * 4).detach()
    assert not found.x0.requires_grad
    assert not found.eps.requires_grad
    assert found.variance is not None
    assert not found.variance.requires_grad
