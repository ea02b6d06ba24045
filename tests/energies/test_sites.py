"""Which columns of attention a phrase has: its noun's, of the thing that the whole phrase names."""

from __future__ import annotations

import pytest

from scumble.energies.sites import common_columns, described, head_columns
from scumble.errors import InputError
from scumble.models.base import Model

SAID = "a large red cube left of a small blue cube on sand"


@pytest.mark.parametrize(
    ("phrase", "whole"),
    [
        ("cube", "large red cube"),
        ("red cube", "large red cube"),
        ("blue cube", "small blue cube"),
        ("sand", "sand"),
        ("no such thing", "no such thing"),
    ],
)
def test_a_thing_is_found_with_the_words_that_describe_it(phrase: str, whole: str) -> None:
    assert described(phrase, SAID) == whole


def test_a_phrase_looks_where_its_noun_looks(tiny_sd: Model) -> None:
    both = tiny_sd.word_tokens(SAID, "cube")
    first = head_columns(tiny_sd, "large red cube", SAID, None)
    second = head_columns(tiny_sd, "small blue cube", SAID, "a small blue cube")
    assert (*first.own, *second.own) == tuple(both)
    assert second.source == tuple(tiny_sd.word_tokens("a small blue cube", "cube"))
    cup = head_columns(tiny_sd, "cup of tea", "a cup of tea", None)
    assert cup.own == tuple(tiny_sd.word_tokens("a cup of tea", "cup"))
    with pytest.raises(InputError, match="no word 'green cube'"):
        head_columns(tiny_sd, "green cube", SAID, None)


def test_words_of_relation_belong_to_nothing(tiny_sd: Model) -> None:
    rest = common_columns(tiny_sd, SAID, SAID, ["large red cube"])
    words = {c for word in ("small", "blue", "sand") for c in tiny_sd.word_tokens(SAID, word)}
    second = set(head_columns(tiny_sd, "small blue cube", SAID, None).own)
    assert set(rest.own) == words | second
