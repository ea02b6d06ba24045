"""Several prompts said as one: what they share is said once, and things stand in the order of their places."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scumble.methods.joint_prompt import joint_prompt, with_lead
from scumble.methods.words import Words


def half(which: str) -> Tensor:
    place = torch.zeros(1, 1, 8, 8)
    part = {"left": (..., slice(0, 4)), "right": (..., slice(4, 8)), "top": (..., slice(0, 4), slice(0, 8))}[which]
    place[part] = 1
    return place


@pytest.mark.parametrize(
    ("texts", "joint"),
    [
        (["a red cube on grass by day", "a blue cube on grass by day"], "a red cube and a blue cube on grass by day"),
        (["a red cube on sand", "a blue cube on grass"], "a red cube on sand and a blue cube on grass"),
        (["a cube", "a red cube"], "a cube and a red cube"),
        (["a cube on grass", "a cube on grass"], "a cube on grass"),
        (["on grass", "on grass at night"], "on grass and on grass at night"),
        (["a", "b", "c by day"], "a and b and c by day"),
    ],
)
def test_what_all_end_with_is_said_once(texts: list[str], joint: str) -> None:
    assert joint_prompt(texts) == joint


def test_the_leader_names_things_from_the_left_and_the_places_follow_it() -> None:
    right = (Words("a cube by day", 0.5), half("right"))
    left = (Words("a cone by day", 0.5, begin=0.6), half("left")), (Words("a cone by day", 0.5), half("left"))
    sign = (Words("sunset", weight=-2.0, mode="add"), None)
    leader, placed = with_lead([right, left[1], sign], 0.25)
    assert leader is not None and (leader.text, leader.end) == ("a cone left of a cube by day", 0.25)
    assert [(words.text, words.begin) for words, _ in placed] == [
        ("a cube by day", 0.25),
        ("a cone by day", 0.25),
        ("sunset", 0.0),
    ]
    late, same = with_lead([right, left[0]], 0.25)
    assert late is None and list(same) == [right, left[0]]


def test_things_above_each_other_are_joined_by_and() -> None:
    leader, _ = with_lead([(Words("a cone", 0.5), half("top")), (Words("the sea", 0.5), 1 - half("top"))], 0.25)
    assert leader is not None and leader.text == "a cone and the sea"


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_one_place_has_no_leader(share: float) -> None:
    placed = [(Words("a cone", 0.5), half("left")), (Words("a cube", 0.0), 0 * half("right"))]
    leader, same = with_lead(placed, share)
    assert leader is None and list(same) == placed
