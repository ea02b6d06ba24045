"""Classifier-free guidance: its branches, and the prediction that they make."""

from __future__ import annotations

import pytest
import torch

from scumble.core.conditioning import Conditioning
from scumble.core.guidance import Guidance, rescaled
from scumble.core.prediction import Prediction
from tests.support.toys import SHAPE, context, trajectory

WORDS, NOTHING = Conditioning(torch.full((1, 2, 3), 0.3)), Conditioning(torch.zeros(1, 2, 3))


def prediction(seed: int) -> Prediction:
    g = torch.Generator().manual_seed(seed)
    return Prediction(torch.randn(SHAPE, generator=g), torch.randn(SHAPE, generator=g))


@pytest.mark.parametrize(
    ("guidance", "names"),
    [
        (Guidance(WORDS, NOTHING, 3.0), ("uncond", "cond")),
        (Guidance(WORDS, NOTHING, 1.0), ("cond",)),
        (Guidance(WORDS, NOTHING, 0.0), ("uncond",)),
        (Guidance(WORDS, WORDS, 3.0), ("cond",)),
    ],
)
def test_only_branches_that_count_are_evaluated(guidance: Guidance, names: tuple[str, ...]) -> None:
    assert guidance.names == names
    assert [row.name for row in guidance.planned] == list(names)
    ctx = context()
    trajectory(ctx, [guidance], rows=())
    assert ctx.cost.forward_rows == len(names) * ctx.steps * SHAPE[0]


def test_combining_is_the_formula_and_the_hook_is_combining() -> None:
    predictions = {"cond": prediction(1), "uncond": prediction(2)}
    for guidance in (Guidance(WORDS, NOTHING, 3.0), Guidance(WORDS, NOTHING, 3.0, rescale=0.7)):
        combined = guidance.combine(predictions)
        expected = predictions["uncond"].towards(predictions["cond"], 3.0)
        if guidance.rescale:
            expected = rescaled(expected, predictions["cond"], 0.7)
        assert torch.equal(combined.eps, expected.eps)
        hook = guidance.predict(context(), predictions, prediction(3))
        assert torch.equal(hook.x0, combined.x0)


def test_a_batch_of_all_branches_is_split_by_name() -> None:
    one, other = prediction(1), prediction(2)
    joint = Prediction(torch.cat([one.x0, other.x0]), torch.cat([one.eps, other.eps]))
    split = Guidance(WORDS, NOTHING, 3.0).split(joint)
    assert torch.equal(split["uncond"].x0, one.x0)
    assert torch.equal(split["cond"].eps, other.eps)
