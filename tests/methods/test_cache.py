"""What batches and windows of an edit share."""

from __future__ import annotations

import pytest

from scumble.methods.cache import Cache, Key

JUDGE: Key[list[int]] = Key("judge", everywhere=True)
LATENT: Key[list[int]] = Key("latent")


def test_a_value_is_made_once() -> None:
    cache, made = Cache(), list[int]()

    def make() -> list[int]:
        made.append(1)
        return [7]

    assert cache.get_or_make(LATENT, make) is cache.get_or_make(LATENT, make)
    assert made == [1]


def test_a_failure_leaves_nothing_and_is_tried_again() -> None:
    cache = Cache()
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make(LATENT, lambda: [1 // 0])
    assert LATENT not in cache
    assert cache.get_or_make(LATENT, lambda: [3]) == [3]


def test_windows_share_judges_but_nothing_made_of_pixels() -> None:
    first = Cache({LATENT: [1]})
    second = first.for_window()
    judge = second.get_or_make(JUDGE, lambda: [5])
    assert first.get_or_make(JUDGE, lambda: [6]) is judge
    assert LATENT not in second
