"""Whether the edit that was asked for happened, and nothing else, as a classifier of the world reads the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scumble_lab.bench.attributes import OBJECT_HEADS, left_to_right
from scumble_lab.bench.case import Case
from scumble_lab.bench.classifier import Reading, ReadObject
from scumble_lab.bench.two_changes import TWO_CHANGES, changed_heads
from scumble_lab.world import Object, Scene

__all__ = ["ARRIVED", "kept_share", "succeeded"]

_NEAR = 0.14
"""Picture widths within which a read object can be the one that was meant."""


ARRIVED = 0.25
"""Share of its way that may be left when an object counts as moved."""


def succeeded(case: Case, read: Reading, left: float = math.nan) -> float:
    """1 if the picture shows what was asked for, 0 if not, NaN where no scene is known.

    Attribute edits: the object has the new word, and is recognised by its colour or shape. Add: it is there, with its
    colour and shape, and one object more. Remove: one object less, the others recognised. Move: no more than a quarter
    of its way is `left`, and it is still what it was. Floor, sky: the new word. Outpaint: NaN, since a smeared edge
    reads as well as the truth. Two objects: both have their new color and shape. Floor and remove: both at once.
    """
    after = case.scene_after
    if after is None or case.task == "outpaint":
        return math.nan
    if case.attribute in ("floor", "sky"):
        return float(getattr(read, case.attribute) == case.word)
    if case.task == "two-objects":
        meant_both = [_meant(after, k, read.objects) for k in range(len(after.objects))]
        pairs = zip(meant_both, after.objects, strict=True)
        right = [one is not None and (one.color, one.shape) == (item.color, item.shape) for one, item in pairs]
        return float(len(read.objects) == len(after.objects) and all(right))
    if case.task == "floor-and-remove" and read.floor != after.floor:
        return 0.0
    if case.task in ("remove", "floor-and-remove"):
        matches = [_meant(after, k, read.objects) for k in range(len(after.objects))]
        known = [_recognised(one, item) for one, item in zip(matches, after.objects, strict=True)]
        return float(len(read.objects) == len(after.objects) and all(known))
    meant = _meant(after, case.edited, read.objects)
    if meant is None:
        return 0.0
    wanted = after.objects[case.edited]
    if case.attribute is not None:
        return float(getattr(meant, case.attribute) == case.word and _recognised(meant, wanted, case.attribute))
    if case.task == "move" and not left <= ARRIVED:
        return 0.0
    same = (meant.color, meant.shape) == (wanted.color, wanted.shape)
    return float(same and len(read.objects) == len(after.objects))


def kept_share(case: Case, read: Reading) -> float:
    """Share of everything else that still reads as it should: the other attributes, objects, floor, sky; 0 to 1."""
    after = case.scene_after
    if after is None:
        return math.nan
    right: list[bool] = []
    asked = changed_heads(case) if case.task in TWO_CHANGES else set()
    for head in ("floor", "sky"):
        if head != case.attribute and (-1, head) not in asked:
            right.append(getattr(read, head) == getattr(after, head))
    for index, item in enumerate(after.objects):
        if index == case.item and case.task == "add":
            continue
        meant = _meant(after, index, read.objects)
        for head in OBJECT_HEADS:
            if (index == case.item and head == case.attribute) or (index, head) in asked:
                continue
            right.append(meant is not None and getattr(meant, head) == getattr(item, head))
    return sum(right) / len(right)


def _recognised(read: ReadObject | None, item: Object, but: str = "") -> bool:
    """Whether colour or shape are right, the attribute that was asked for aside."""
    return read is not None and any(getattr(read, k) == getattr(item, k) for k in ("color", "shape") if k != but)


def _meant(after: Scene, index: int, read: Sequence[ReadObject]) -> ReadObject | None:
    """The read object that stands for one of the scene: by its rank if none is missing, else the nearest."""
    order = left_to_right(after)
    item: Object = after.objects[index]
    rank = next(k for k, (other, _) in enumerate(order) if other is item)
    if len(read) == len(order):
        return read[rank] if abs(read[rank].x - order[rank][1]) <= 2 * _NEAR else None
    near = min(read, key=lambda other: abs(other.x - order[rank][1]), default=None)
    return near if near is not None and abs(near.x - order[rank][1]) <= _NEAR else None
