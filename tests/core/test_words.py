"""Several prompts in one image: shares sum to one, what holds nowhere costs nothing, one prompt is plain guidance."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.core.words import PlacedGuidance, PlacedWords, blend_weights
from scumble.models.base import Model

STEPS = 4
PROMPTS = ("a red cube", "a dog", "the sea at night")


def run(model: Model, guidance: Guidance, seeds: tuple[int, ...] = (3,)) -> tuple[Tensor, Cost]:
    cost = Cost()
    levels = model.schedule.levels(STEPS)
    ctx = RunState(model, levels, Ddim(), CounterNoise(seeds), (len(seeds), 4, 8, 8), torch.device("cpu"), cost)
    return denoise(ctx, [guidance]), cost


def placed(model: Model, words: tuple[PlacedWords, ...], main: str = PROMPTS[0], scale: float = 4.0) -> PlacedGuidance:
    return PlacedGuidance(model.embed([main]), model.embed([""]), scale, words=words)


def left() -> Tensor:
    place = torch.zeros(1, 1, 8, 8)
    place[..., :4] = 1
    return place


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(0, 2), min_size=4, max_size=4), min_size=1, max_size=4))
def test_the_shares_sum_to_one_in_every_cell(shares: list[list[float]]) -> None:
    rest, others = blend_weights([torch.tensor(share, dtype=torch.float64) for share in shares])
    total = rest + sum(others)
    assert torch.allclose(torch.as_tensor(total), torch.ones(4, dtype=torch.float64))
    assert all(bool((torch.as_tensor(share) >= 0).all()) for share in (rest, *others))


def test_without_other_words_it_is_guidance_bit_for_bit(tiny_sd: Model) -> None:
    plain = Guidance(tiny_sd.embed([PROMPTS[0]]), tiny_sd.embed([""]), 4.0)
    (expected, cost), (result, own) = run(tiny_sd, plain), run(tiny_sd, placed(tiny_sd, ()))
    assert torch.equal(expected, result) and cost.forward_rows == own.forward_rows


@pytest.mark.parametrize(
    "fields", [{"map": torch.zeros(1, 1, 8, 8)}, {"weight": 0.0}, {"begin": 0.5, "end": 0.5}], ids=str
)
@pytest.mark.parametrize("mode", ["blend", "add"])
def test_words_that_hold_nowhere_change_nothing_and_cost_no_row(tiny_sd: Model, fields: dict, mode: str) -> None:
    words = PlacedWords(tiny_sd.embed([PROMPTS[1]]), mode=mode, **fields)
    (expected, cost), (result, own) = run(tiny_sd, placed(tiny_sd, ())), run(tiny_sd, placed(tiny_sd, (words,)))
    assert torch.equal(expected, result) and cost.forward_rows == own.forward_rows


def test_equal_prompts_with_any_places_are_one_prompt(tiny_sd: Model) -> None:
    same = tiny_sd.embed([PROMPTS[0]])
    words = (PlacedWords(same, left()), PlacedWords(same, 0.3 * torch.ones(1, 1, 8, 8), weight=2.0))
    expected, result = run(tiny_sd, placed(tiny_sd, ()))[0], run(tiny_sd, placed(tiny_sd, words))[0]
    assert float((expected - result).abs().max()) < 1e-4


def test_a_prompt_that_holds_everywhere_takes_the_main_ones_place(tiny_sd: Model) -> None:
    whole = PlacedWords(tiny_sd.embed([PROMPTS[1]]))
    expected = run(tiny_sd, placed(tiny_sd, (), main=PROMPTS[1]))[0]
    assert float((run(tiny_sd, placed(tiny_sd, (whole,)))[0] - expected).abs().max()) < 1e-4


def test_the_order_of_the_words_does_not_matter(tiny_sd: Model) -> None:
    one = PlacedWords(tiny_sd.embed([PROMPTS[1]]), left())
    other = PlacedWords(tiny_sd.embed([PROMPTS[2]]), 1 - left(), weight=0.5)
    more = PlacedWords(tiny_sd.embed([PROMPTS[2]]), mode="add", weight=-2.0)
    results = [run(tiny_sd, placed(tiny_sd, words))[0] for words in ((one, other, more), (more, other, one))]
    assert float((results[0] - results[1]).abs().max()) < 1e-4


def test_added_words_follow_composable_diffusion(tiny_sd: Model) -> None:
    """eps = eps_0 + g (eps_c - eps_0) + s (eps_j - eps_0), arXiv 2206.01714 eq. 11."""
    added = PlacedWords(tiny_sd.embed([PROMPTS[1]]), mode="add", weight=3.0)
    guidance, level = placed(tiny_sd, (added,), scale=2.0), tiny_sd.schedule.levels(STEPS)[0]
    x = CounterNoise([3]).normal((1, 4, 8, 8), "start", 0)
    with torch.no_grad():
        none, main, more = (tiny_sd.predict(x, level, tiny_sd.embed([text])).eps for text in ("", *PROMPTS[:2]))
    expected = none + 2.0 * (main - none) + 3.0 * (more - none)
    seen: list[Tensor] = []

    class Watch(PlacedGuidance):
        def predict(self, ctx, rows, prediction):  # type: ignore[no-untyped-def]
            combined = super().predict(ctx, rows, prediction)
            seen.append(combined.eps)
            return combined

    run(tiny_sd, Watch(guidance.cond, guidance.uncond, 2.0, words=guidance.words))
    assert torch.allclose(seen[0], expected, atol=1e-5)


def test_rows_are_those_of_the_steps_at_which_words_hold(tiny_sd: Model) -> None:
    late = PlacedWords(tiny_sd.embed([PROMPTS[1]]), left(), begin=0.5)
    assert run(tiny_sd, placed(tiny_sd, (late,)))[1].forward_rows == 2 * STEPS + STEPS // 2
    unguided = placed(tiny_sd, (PlacedWords(tiny_sd.embed([PROMPTS[1]]), left()),), scale=1.0)
    assert run(tiny_sd, unguided)[1].forward_rows == 2 * STEPS


def test_a_candidate_does_not_depend_on_its_batch(tiny_sd: Model) -> None:
    words = (PlacedWords(tiny_sd.embed([PROMPTS[1]]), left()),)
    both = run(tiny_sd, placed(tiny_sd, words), (3, 4))[0]
    assert float((both[1:] - run(tiny_sd, placed(tiny_sd, words), (4,))[0]).abs().max()) < 1e-4


def test_a_negative_prompt_with_a_place_is_the_negative_prompt_there_and_costs_its_row(tiny_sd: Model) -> None:
    cond, free, away = (tiny_sd.embed([text]) for text in (PROMPTS[0], "", PROMPTS[1]))
    everywhere, cost = run(tiny_sd, PlacedGuidance(cond, free, 4.0, words=(PlacedWords(away, mode="avoid"),)))
    plain, _ = run(tiny_sd, Guidance(cond, away, 4.0))
    assert torch.allclose(everywhere, plain, atol=1e-4) and cost.forward_rows == 3 * STEPS
    here = PlacedWords(away, left(), mode="avoid")
    some, _ = run(tiny_sd, PlacedGuidance(cond, free, 4.0, words=(here,)))
    none, _ = run(tiny_sd, Guidance(cond, free, 4.0))
    assert not torch.allclose(some, none, atol=1e-3) and not torch.allclose(some, plain, atol=1e-3)


def test_without_guidance_there_is_nothing_to_avoid_and_no_row_for_it(tiny_sd: Model) -> None:
    cond, free, away = (tiny_sd.embed([text]) for text in (PROMPTS[0], "", PROMPTS[1]))
    avoiding, cost = run(tiny_sd, PlacedGuidance(cond, free, 1.0, words=(PlacedWords(away, mode="avoid"),)))
    plain, one = run(tiny_sd, Guidance(cond, free, 1.0))
    assert torch.equal(avoiding, plain) and cost.forward_rows == one.forward_rows
