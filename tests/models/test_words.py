from __future__ import annotations

from typing import Any

import pytest

from scumble.errors import InputError
from scumble.models.loading import from_pipe
from scumble.models.words import find_word, words_of


@pytest.fixture(scope="module")
def model(sd_pipe: Any) -> Any:
    return from_pipe(sd_pipe)


def text_at(model: Any, prompt: str, positions: list[int]) -> str:
    ids = model.tokens(prompt)
    return str(model.text.encoders[0].tokenizer.decode([ids[i] for i in positions]))


def test_tokens_have_both_markers_and_no_padding(model: Any) -> None:
    tokenizer = model.text.encoders[0].tokenizer
    ids = model.tokens("a red cube")
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    assert len(ids) == 5
    assert len(model.tokens("")) == 2


def test_tokens_of_a_long_prompt_are_those_that_the_network_sees(model: Any) -> None:
    prompt = "a red cube " * 10
    encoder = model.text.encoders[0]
    ids = encoder.read(prompt)[0]
    pieces = [ids[k : k + encoder.room] for k in range(0, len(ids), encoder.room)]
    padded = [token for piece in pieces for token in encoder.padded(piece, model.device)[0].tolist()]
    assert len(pieces) == 3
    assert model.tokens(prompt) == padded[: len(ids) + 6]


def test_a_word_is_found_where_it_stands(model: Any) -> None:
    assert model.word_tokens("a red cube", "red") == [2]
    assert model.word_tokens("a red cube", "cube") == [3]


def test_every_occurrence_of_a_word_is_found(model: Any) -> None:
    assert model.word_tokens("a cube on a big cube", "cube") == [2, 6]


def test_case_and_punctuation_around_a_word_do_not_matter(model: Any) -> None:
    assert model.word_tokens("a Red, big: cube!", "red") == [2]
    assert model.word_tokens("a red, big: cube!", "Cube") == [6]
    assert model.word_tokens("a red, big: cube!", " big ") == [4]


def test_a_word_of_several_tokens_has_them_all(model: Any) -> None:
    found = model.word_tokens("a fish on sand", "fish")
    assert found == [2, 3, 4, 5]
    assert text_at(model, "a fish on sand", found).strip() == "fish"


def test_a_phrase_is_found_as_a_whole(model: Any) -> None:
    assert model.word_tokens("a cube on a red cube", "red cube") == [5, 6]


def test_the_end_of_a_longer_word_is_no_occurrence(model: Any) -> None:
    with pytest.raises(InputError, match="has no word 'sh'"):
        model.word_tokens("a fish on sand", "sh")


def test_the_beginning_of_a_longer_word_is_no_occurrence(model: Any) -> None:
    with pytest.raises(InputError, match="has no word 'fi'"):
        model.word_tokens("a fish on sand", "fi")


def test_a_missing_word_is_answered_with_the_nearest(model: Any) -> None:
    with pytest.raises(InputError, match=r"no word 'cubes' \(did you mean cube\?\)"):
        model.word_tokens("a red cube", "cubes")


def test_an_empty_word_is_refused(model: Any) -> None:
    with pytest.raises(InputError, match="at least one character"):
        model.word_tokens("a red cube", "  ")


def test_a_word_that_was_cut_is_said_to_be_cut(model: Any) -> None:
    with pytest.raises(InputError, match="beyond the end"):
        model.with_prompts_cut().word_tokens("a red cube on sand " * 3 + "cat", "cat")
    with pytest.raises(InputError, match="beyond the end"):
        model.word_tokens("a red cube on sand " * 50 + "cat", "cat")


def test_without_end_marks_ids_alone_decide() -> None:
    assert find_word([0, 5, 6, 5, 1], ["<s>", "x", "y", "x", "</s>"], [[5]]) == [1, 3]


def test_words_of_a_text_lose_their_punctuation() -> None:
    assert words_of("A red-ish cube's side, at night.") == ["a", "red-ish", "cube's", "side", "at", "night"]
