"""Whether a request that an earlier version filed is still the same: what is new in it stands at its default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scumble.records.request import ASIDE, Request

__all__ = ["still_the_same"]


def still_the_same(filed: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether a settled request is one that was filed, and has but new fields at their defaults besides.

    A default that moved makes another request: its old value was filed.
    """
    before, after = dict(_flat(filed)), dict(_flat(now))
    blank = dict(_flat(Request(method=str(now.get("method", ""))).model_dump(mode="json")))
    new = after.keys() - before.keys()
    alike = all(name in after and after[name] == value for name, value in before.items())
    return bool(new) and alike and all(name[0] == "defaults" or after[name] == blank.get(name, ...) for name in new)


def _flat(body: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value by its place, without what is no part of a request's identity."""
    for name, value in body.items():
        if not place and name in ASIDE:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, (*place, name))
        else:
            yield (*place, name), value
