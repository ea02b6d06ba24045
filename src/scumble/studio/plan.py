"""What an edit will cost and when which strength is free, told before anything is computed."""

from __future__ import annotations

import asyncio
import json
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from scumble.studio.edit import Edit, payload_of, request_of

if TYPE_CHECKING:
    from scumble.studio.app import Studio

__all__ = ["Counts", "judged", "plan_of", "release_table", "steps_of"]

SLACK = 1e-6
KEPT = 200
PATIENCE = 30.0
"""Seconds to wait for a count."""
WORDS = ("prompt", "negative_prompt", "source_prompt")


def release_table(steps: int, strength: float) -> list[int]:
    """For every strength 0..255 the step from which on its pixels are free; ``steps`` for those that are kept."""
    first = (1.0 - strength) * steps
    values = (np.arange(256) / 255).astype(np.float32).astype(np.float64)  # as the engine has them
    return [min(math.floor(first + (1 - value) * (steps - first) + SLACK), steps) for value in values]


class Counts:
    """Counts of edits that were asked for before: words and seeds do not change them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, dict[str, Any] | None] = OrderedDict()

    async def of(self, studio: Studio, edit: Edit, checked: dict[str, Any], map_id: str | None, one: bool) -> Any:
        """Rows and calls of one candidate (or of all, where they are made together), or None."""
        parameters = checked["parameters"]
        texts = [one.text for one in edit.places]  # the same text twice is one row
        shape = {
            name: value if name not in WORDS else bool(value)
            for name, value in parameters.items()
            if name != "placed_words"
        }
        placed = [
            [one.map, one.mode, one.weight == 0, one.begin, one.end, texts.index(one.text)] for one in edit.places
        ]
        beside = [*placed, edit.files, edit.inversion, studio.model]
        count = 1 if one else edit.count
        key = json.dumps([edit.method, shape, checked["view"], edit.picture, map_id, count, beside], sort_keys=True)
        if key in self._known:
            return self._known[key]
        if studio.jobs.busy():
            return None
        request = request_of(studio, edit, checked, map_id, count=count)
        asked = payload_of(studio, request)
        try:
            counted = await asyncio.wait_for(asyncio.wrap_future(studio.jobs.ask("count", **asked)), PATIENCE)
        except RuntimeError as error:  # the engine refuses the edit: with its own sentence
            return {"refusal": str(error)}
        except (TimeoutError, asyncio.CancelledError):
            return None
        self._known[key] = counted
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return counted


def judged(
    studio: Studio, edit: Edit, checked: dict[str, Any], info: dict[str, Any] | None
) -> tuple[list[dict[str, str]], str | None]:
    """What is wrong with an edit's values, and why the model cannot do it; nothing is counted for it."""
    faults = list(checked["faults"])
    refusal = None
    if info is not None and (unfit := studio.unfit(info)):
        refusal = f"{info['title']} {unfit}" if unfit.startswith("needs") else unfit
    if info is not None and info["points"] and not edit.points and not faults:
        faults.append(
            {
                "field": "points",
                "message": "no points were given: pull on the picture from what is to move to where it shall be",
            }
        )
    return faults, refusal


def steps_of(studio: Studio, checked: dict[str, Any]) -> int:
    """Steps of an edit; 0 where it has none."""
    values = {**checked["values"], **studio.jobs.defaults, **(checked["parameters"] or {})}
    return int(values.get("num_inference_steps") or 0)


async def plan_of(
    studio: Studio, edit: Edit, checked: dict[str, Any], info: dict[str, Any] | None, map_id: str | None
) -> dict[str, Any]:
    """Put together what the page is told of an edit before it is made."""
    faults, refusal = judged(studio, edit, checked, info)
    values = {**checked["values"], **studio.jobs.defaults, **(checked["parameters"] or {})}
    steps = steps_of(studio, checked)
    release = None
    if info is not None and info["releases"] and steps and not faults:
        release = release_table(steps, float(values.get("strength", 1.0)))
    counted = None
    together = bool(info and info["together"])
    if not faults and refusal is None and checked["parameters"] is not None:
        counted = await studio.counts.of(studio, edit, checked, map_id, not together)
    if counted is not None and counted.get("refusal"):
        refusal, counted = counted["refusal"], None
    times = 1 if together else edit.count
    rows = None if counted is None else times * int(counted["rows"])
    calls = None if counted is None else times * int(counted["calls"])
    seconds = None if not rows else studio.jobs.seconds_for(rows)
    return {
        "ok": not faults and refusal is None,
        "faults": faults,
        "refusal": refusal,
        "rows": None if rows is None else [rows, rows],
        "calls": None if calls is None else [calls, calls],
        "seconds": None if seconds is None else [round(one, 2) for one in seconds],
        "bytes": counted["bytes"] if counted is not None and rows else None,
        "release": release,
        "steps": steps,
        "command": checked["command"],
        "python": checked["python"],
        "parameters": checked["parameters"],
        "view": checked["view"],
        "warnings": [],
    }
