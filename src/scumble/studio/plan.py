"""What an edit will cost and when which strength is free, told before anything is computed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scumble.studio.app import Edit, Studio

__all__ = ["plan_of", "release_table"]

SLACK = 1e-6


def release_table(steps: int, strength: float) -> list[int]:
    """For every strength 0..255 the step from which on its pixels are free; ``steps`` for those that are kept."""
    first = min(math.floor((1.0 - strength) * steps + SLACK), steps)
    table = [first + math.floor((1 - value / 255) * (steps - first) + SLACK) for value in range(256)]
    return [steps, *(min(one, steps - 1) for one in table[1:])]


async def plan_of(
    studio: Studio, edit: Edit, checked: dict[str, Any], info: dict[str, Any] | None, map_id: str | None
) -> dict[str, Any]:
    """Put together what the page is told of an edit before it is made."""
    faults = list(checked["faults"])
    refusal = None
    if info is not None and info["needs_text"] and not studio.jobs.takes_text:
        refusal = f"the model {studio.jobs.model['name']} takes no words, and {edit.method} needs them"
    if info is not None and info["points"] and not edit.points and not faults:
        faults.append(
            {
                "field": "points",
                "message": "no points were given: pull on the picture from what is to move to where it shall be",
            }
        )
    steps = int(checked["steps"] or 0)
    release = None
    if info is not None and info["releases"] and steps and not faults:
        release = release_table(steps, float(checked["strength"] or 0))
    return {
        "ok": not faults and refusal is None,
        "faults": faults,
        "refusal": refusal,
        "rows": None,
        "calls": None,
        "seconds": None,
        "bytes": None,
        "release": release,
        "steps": steps,
        "command": checked["command"],
        "python": checked["python"],
        "parameters": checked["parameters"],
        "warnings": [],
    }
