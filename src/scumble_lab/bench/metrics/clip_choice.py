"""What a CLIP chooses, of all that could stand in the edited place: a question with known answers, put to the judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from scumble_lab.bench.attributes import OBJECT_HEADS
from scumble_lab.bench.case import Case
from scumble_lab.world import COLORS, SHAPES, Object
from scumble_lab.world.captions import FLOOR_PHRASES, SKY_PHRASES, noun_phrase

__all__ = ["answers", "chooses_first"]


def answers(case: Case) -> tuple[str, ...]:
    """Return the sentences between which is to be chosen: the one asked for, then all that could have come instead.

    The other words of the attribute that was edited; for an added object every colour and shape, and that nothing was
    added; for a removed one that it is still there. Empty where there is nothing to choose between.
    """
    after = case.scene_after
    if after is None or case.task in ("move", "outpaint"):
        return ()
    prompts = [case.prompt]
    if case.attribute in ("floor", "sky"):
        phrases = FLOOR_PHRASES if case.attribute == "floor" else SKY_PHRASES
        phrase = phrases[str(case.word)]
        prompts += [case.prompt.replace(phrase, other) for other in phrases.values()]
    elif case.item is not None and case.task != "remove":
        item = after.objects[case.item]
        if case.attribute is not None:
            others = [_with(item, case.attribute, word) for word in OBJECT_HEADS[case.attribute]]
        else:
            others = [replace(item, color=color, shape=shape) for color in COLORS for shape in SHAPES]
        prompts += [case.prompt.replace(noun_phrase(item), noun_phrase(other)) for other in others]
    return tuple(dict.fromkeys([*prompts, case.source_prompt]))


def _with(item: Object, attribute: str, word: str) -> Object:
    changes: dict[str, Any] = {attribute: word}
    return replace(item, **changes)


def chooses_first(picture: Tensor, texts: Sequence[Tensor]) -> float:
    """1 if the first of the texts is the nearest to the picture, unit features (D,), else 0; NaN for fewer than two."""
    if len(texts) < 2:
        return math.nan
    return float(all(float(picture @ texts[0]) > float(picture @ other) for other in texts[1:]))
