"""One prompt that says what several say together, and leads while the layout forms.

Each of several placed prompts knows of one thing only, and a model that was mostly shown single things puts it into the
middle: two things then compete for the same place, and one of them wins or both are cut. Told of all of them at once
for the first steps, the model lays them out side by side; then each place follows its own words.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scumble.methods.words import Words

__all__ = ["joint_prompt", "with_lead"]

PREPOSITIONS = frozenset(
    (
        "above", "against", "amid", "among", "at", "behind", "below", "beneath", "beside", "by", "in", "inside",
        "near", "on", "over", "under", "with",
    )
)  # fmt: skip
"""Words that may begin what two prompts say of their scene."""


def joint_prompt(texts: Sequence[str], link: str = "and") -> str:
    """Return ``a red cube and a blue sphere on grass`` for ``a red cube on grass`` and ``a blue sphere on grass``.

    What all end with is said once, from its first preposition on.

    Args:
        texts: The prompts; equal ones are said once.
        link: What stands between two things.
    """
    split = [text.split() for text in dict.fromkeys(texts)]
    shared = 0
    while all(len(words) > shared + 1 for words in split) and len({words[-1 - shared] for words in split}) == 1:
        shared += 1
    ending = split[0][len(split[0]) - shared :] if len(split) > 1 else []
    while ending and ending[0] not in PREPOSITIONS:
        ending = ending[1:]
    things = [" ".join(words[: len(words) - len(ending)]) for words in split]
    return " ".join([f" {link} ".join(things), *ending])


def with_lead(
    placed: Sequence[tuple[Words, Tensor | None]], share: float
) -> tuple[Words | None, Sequence[tuple[Words, Tensor | None]]]:
    """Return one prompt that says what several say, for a share of the steps, and these as they follow it.

    Fewer than two have no leader, and stay as they are.

    Args:
        placed: Each with its map (1 or B, 1, H, W), None: everywhere.
        share: Of the steps.
    """
    leads = [
        (words, place)
        for words, place in placed
        if place is not None and words.mode == "blend" and words.weight > 0 and words.begin < share and place.any()
    ]
    if share == 0 or len({words.text for words, _ in leads}) < 2:
        return None, placed
    middles = sorted((*_middle(place), words.text) for words, place in leads)
    beside = len(middles) == 2 and abs(middles[0][0] - middles[1][0]) > abs(middles[0][1] - middles[1][1])
    text = joint_prompt([text for _, _, text in middles], "left of" if beside else "and")
    adds = [(words, place) for words, place in placed if words.mode != "blend"]
    later = [
        (words.model_copy(update={"begin": max(words.begin, share)}), place)
        for words, place in placed
        if words.mode == "blend" and words.end > share
    ]
    return Words(text, end=share), [*later, *adds]


def _middle(place: Tensor) -> tuple[float, float]:
    """Middle (x, y) of a map in shares of its width and height."""
    weights = place.mean((0, 1)).double().cpu()
    total = weights.sum()
    height, width = weights.shape
    x = (weights.sum(0) * torch.arange(width)).sum() / (total * width)
    y = (weights.sum(1) * torch.arange(height)).sum() / (total * height)
    return float(x), float(y)
