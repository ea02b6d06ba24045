"""Words with a place by attention: one row, and the plain network where all words are the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scumble.controls.placed_attention import PlacedAttention
from scumble.core.control import RunState
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.core.words import PlacedWords
from scumble.models.base import Model

STEPS = 3


def run(model: Model, guidance: Guidance, seeds: tuple[int, ...] = (3,)) -> tuple[Tensor, Cost]:
    cost = Cost()
    levels = model.schedule.levels(STEPS)
    ctx = RunState(model, levels, Ddim(), CounterNoise(seeds), (len(seeds), 4, 8, 8), torch.device("cpu"), cost)
    with torch.no_grad():
        return denoise(ctx, [guidance]), cost


def placed(model: Model, *words: PlacedWords, main: str = "a dog", scale: float = 4.0) -> PlacedAttention:
    cond, none = model.embed([main]), model.embed([""])
    return PlacedAttention(cond, none, scale, words=words, denoiser=model.denoiser)


def left() -> Tensor:
    place = torch.zeros(1, 1, 8, 8)
    place[..., :4] = 1
    return place


def test_one_prompt_in_any_places_is_the_plain_network(tiny_sd: Model) -> None:
    plain, cost = run(tiny_sd, Guidance(tiny_sd.embed(["a dog"]), tiny_sd.embed([""]), 4.0))
    same = tiny_sd.embed(["a dog"])
    result, more = run(tiny_sd, placed(tiny_sd, PlacedWords(same, left()), PlacedWords(same, 0.3 * left())))
    assert float((result - plain).abs().max()) < 1e-4 and more.forward_rows == cost.forward_rows
    assert torch.equal(run(tiny_sd, placed(tiny_sd))[0], plain)


def test_words_that_hold_everywhere_are_the_prompt_also_where_there_is_no_other(tiny_sd: Model) -> None:
    plain = run(tiny_sd, Guidance(tiny_sd.embed(["the sea"]), tiny_sd.embed([""]), 4.0))[0]
    whole = PlacedWords(tiny_sd.embed(["the sea"]), torch.ones(1, 1, 8, 8))
    assert float((run(tiny_sd, placed(tiny_sd, whole, main=""))[0] - plain).abs().max()) < 1e-4


def test_places_change_the_image_for_no_more_rows_and_in_any_order(tiny_sd: Model) -> None:
    one, other = PlacedWords(tiny_sd.embed(["a cat"]), left()), PlacedWords(tiny_sd.embed(["the sea"]), 1 - left())
    result, cost = run(tiny_sd, placed(tiny_sd, one, other))
    swapped = run(tiny_sd, placed(tiny_sd, other, one))[0]
    assert cost.forward_rows == 2 * STEPS
    assert float((result - swapped).abs().max()) < 1e-4
    assert float((result - run(tiny_sd, placed(tiny_sd))[0]).abs().max()) > 1e-3


def test_a_candidate_does_not_depend_on_its_batch(tiny_sd: Model) -> None:
    words = PlacedWords(tiny_sd.embed(["a cat"]), left())
    both = run(tiny_sd, placed(tiny_sd, words), (3, 4))[0]
    assert float((both[1:] - run(tiny_sd, placed(tiny_sd, words), (4,))[0]).abs().max()) < 1e-4


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_added_words_keep_their_row(tiny_sd: Model, scale: float) -> None:
    words = PlacedWords(tiny_sd.embed(["a cat"]), left())
    added = PlacedWords(tiny_sd.embed(["night"]), mode="add", weight=-2.0, begin=0.5)
    cost = run(tiny_sd, placed(tiny_sd, words, added, scale=scale))[1]
    late = STEPS - 2
    assert cost.forward_rows == (2 * STEPS + late if scale != 1 else STEPS + 2 * late)
