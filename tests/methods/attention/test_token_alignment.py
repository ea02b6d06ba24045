"""Words and tokens: what serves what, exactly as published on request and right by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scumble.errors import InputError
from scumble.methods.attention.prompt_tokens import PromptTokens, prompt_tokens
from scumble.methods.attention.token_alignment import TokenMap, refine_map, replace_map
from scumble.methods.official.prompt_to_prompt import OfficialRules
from scumble.models.base import Model

START, END = 998, 999
PUBLISHED = OfficialRules()
PIECES = {
    "a": [1],
    "cat": [2],
    "rottweiler": [3, 4, 5],
    "sits": [6],
    "here": [7],
    "big": [8],
    "dog": [9],
    "bulldog": [10, 9],
}


def tokenizer(limit: int) -> Callable[[str], list[int]]:
    def tokens(prompt: str) -> list[int]:
        ids = [piece for word in prompt.split() for piece in PIECES[word]]
        return [START, *ids[: limit - 2], END]

    return tokens


def words(prompt: str, limit: int = 16) -> PromptTokens:
    return prompt_tokens(tokenizer(limit), prompt)


def sources(found: TokenMap, column: int) -> dict[int, float]:
    return {int(m): float(found.matrix[m, column]) for m in found.matrix[:, column].nonzero()}


prompts = st.lists(st.sampled_from(sorted(PIECES)), min_size=1, max_size=9)


def test_words_know_their_columns() -> None:
    found = words("a  rottweiler sits")
    assert found.words == ("a", "rottweiler", "sits")
    assert found.spans == ((1,), (2, 3, 4), (5,))
    assert found.ids_of(1) == (3, 4, 5)


def test_a_word_beyond_the_cut_has_no_columns_and_a_split_one_has_those_that_are_seen() -> None:
    found = words("a cat rottweiler here", limit=6)
    assert found.spans == ((1,), (2,), (3, 4), ())


@pytest.mark.parametrize("build", [replace_map, refine_map, PUBLISHED.replace_map, PUBLISHED.refine_map])
def test_identical_prompts_give_the_identity(build: Callable[..., TokenMap]) -> None:
    same = words("a rottweiler sits here")
    found = build(same, same, 16)
    assert torch.equal(found.matrix, torch.eye(16))
    assert not found.own.any()


def test_words_behind_a_longer_swap_keep_their_attention() -> None:
    found = replace_map(words("a cat sits here"), words("a rottweiler sits here"), 16)
    assert sources(found, 5) == {3: 1.0}  # sits
    assert sources(found, 6) == {4: 1.0}  # here
    assert sources(found, 7) == {5: 1.0}  # end marker
    assert [sources(found, n) for n in (2, 3, 4)] == [{2: pytest.approx(1 / 3)}] * 3


def test_the_published_tail_rule_shifts_words_behind_a_longer_swap() -> None:
    found = PUBLISHED.replace_map(words("a cat sits here"), words("a rottweiler sits here"), 16)
    assert sources(found, 5) == {5: 1.0}  # target "sits" takes the end marker of the source: wrong, but published
    assert not found.matrix[3].any()  # the source's "sits" is lost


def test_a_shorter_word_takes_all_pieces_of_the_longer_one() -> None:
    found = replace_map(words("a rottweiler sits"), words("a cat sits"), 16)
    assert sources(found, 2) == {2: 1.0, 3: 1.0, 4: 1.0}
    assert sources(found, 3) == {5: 1.0}


@given(st.data())
def test_replacement_conserves_the_mass_of_every_source_column(data: st.DataObject) -> None:
    source = data.draw(prompts)
    target = data.draw(st.lists(st.sampled_from(sorted(PIECES)), min_size=len(source), max_size=len(source)))
    found = replace_map(words(" ".join(source), 24), words(" ".join(target), 24), 24)
    assert torch.allclose(found.matrix.sum(1), torch.ones(24))


@given(prompts, prompts)
def test_refinement_maps_equal_tokens_in_order_and_leaves_new_ones_alone(source: list[str], target: list[str]) -> None:
    a, b = words(" ".join(source), 40), words(" ".join(target), 40)
    found = refine_map(a, b, 40)
    assert torch.equal(found.matrix.sum(0) + found.own, torch.ones(40))
    taken = [next(iter(sources(found, n))) for n in range(len(b.ids)) if not found.own[n]]
    assert taken == sorted(set(taken))
    assert all(a.ids[m] == b.ids[n] for n in range(len(b.ids)) if not found.own[n] for m in sources(found, n))


def test_padding_never_takes_the_attention_of_words() -> None:
    long, short = words("a big rottweiler sits here"), words("a cat")
    found = refine_map(long, short, 16)
    assert found.own[len(short.ids) : len(long.ids)].all()
    published = PUBLISHED.refine_map(long, short, 16)
    assert sources(published, len(short.ids)) == {len(short.ids): 1.0}  # a piece of "rottweiler": published, and wrong


def test_replacement_of_different_word_counts_names_both_prompts() -> None:
    with pytest.raises(InputError, match=r"'a cat' has 2 and 'a big cat' has 3; use mode refine"):
        replace_map(words("a cat"), words("a big cat"), 16)


def test_maps_equal_the_published_ones(tiny_sd: Model, reference: Any) -> None:
    case = reference("p2p_aligner")
    for k, (source, target) in enumerate(case.settings["pairs"]):
        a, b = prompt_tokens(tiny_sd.tokens, source), prompt_tokens(tiny_sd.tokens, target)
        for found, which in ((a, "source"), (b, "target")):
            pairs = [[w, column] for w, span in enumerate(found.spans) for column in span]
            assert pairs == case[f"{k}_words_{which}"].tolist()
        refined = PUBLISHED.refine_map(a, b, 77)
        mapper, alphas = case[f"{k}_refine_mapper"], case[f"{k}_refine_alphas"]
        assert torch.equal(1 - refined.own, alphas)
        assert torch.equal(refined.matrix.argmax(0)[alphas > 0], mapper[alphas > 0])
        if f"{k}_replace_nonzero" in case.tensors:
            published = torch.zeros(77, 77)
            published[tuple(case[f"{k}_replace_nonzero"].T)] = case[f"{k}_replace_values"]
            assert torch.equal(PUBLISHED.replace_map(a, b, 77).matrix, published)
