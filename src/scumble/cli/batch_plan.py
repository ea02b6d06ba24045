"""``scumble batch --dry-run``: what a list would come to, before anything is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

from PIL import Image

from scumble.records.request import canonical
from scumble.work.batch import Batch
from scumble.work.entry import Entry
from scumble.work.estimate import Remaining
from scumble.work.prepare import entries_of

__all__ = ["counted", "show_plan"]

BYTES_A_PIXEL = 1.9
"""Of a PNG as diffusion models make them (512 px: 0.5 MB)."""


def show_plan(todo: Batch, as_json: bool) -> int:
    """Print what a list comes to; return the exit code: 2 when a kind of request cannot be made at all."""
    record = counted(todo)
    print(json.dumps(record, ensure_ascii=False) if as_json else _text(record))
    return 2 if record["problems"] else 0


def counted(todo: Batch) -> dict[str, Any]:
    """What a list comes to: requests, pictures, kinds of work, rows at most, bytes, and what cannot be made.

    Requests that differ in words and seeds alone, on pictures of one size, cost the same: one of each kind is counted.
    """
    entries = entries_of(todo.check().named)
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kinds.setdefault(canonical(_shape(entry.body)), []).append(entry)
    plans = todo.plans([group[0].body for group in kinds.values()])
    place = todo.folder.absolute()
    while not place.exists():
        place = place.parent
    record: dict[str, Any] = {"requests": len(entries), "pictures": sum(entry.count for entry in entries)}
    record["kinds"] = len(kinds)
    record |= dict.fromkeys(("forward", "backward", "bytes", "bounded"), 0)
    record |= {"seconds": [0.0, 0.0], "unmeasured": 0}
    problems = []
    for plan, group in zip(plans, kinds.values(), strict=True):
        record["forward"] += plan.get("forward", 0) * len(group)
        record["backward"] += plan.get("backward", 0) * len(group)
        record["bytes"] += int(plan.get("pixels", 0) * len(group) * BYTES_A_PIXEL)
        seconds = plan.get("seconds")
        if seconds is None:
            record["unmeasured"] += len(group)
        else:
            record["seconds"] = [sum + one * len(group) for sum, one in zip(record["seconds"], seconds, strict=True)]
        record["bounded"] += 0 if plan.get("exact", True) else len(group)
        if "problem" in plan:
            lines = ", ".join(str(entry.source or entry.id) for entry in group[:20])
            problems.append(f"{plan['problem']} (requests {lines}{', …' if len(group) > 20 else ''})")
    record["free"], record["problems"] = shutil.disk_usage(place).free, problems
    return record


def _shape(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a request's cost depends on: not words, seeds or names, and of the picture its size alone."""
    parameters = {name: bool(value) if "prompt" in name else value for name, value in body["parameters"].items()}
    aside = ("id", "seed", "output", "labels", "priority", "image", "parameters")
    rest = {name: value for name, value in body.items() if name not in aside}
    image = body.get("image")
    if image is None:
        return {**rest, "parameters": parameters}
    with Image.open(image["path"]) as header:  # the pixels are not read
        return {**rest, "parameters": parameters, "size": header.size}


def _time(plan: Mapping[str, Any]) -> str:
    """Seconds of one worker, as edits of each kind took on this machine before."""
    unknown, number = plan["unmeasured"], plan["requests"]
    if unknown == number:
        return "seconds: not known yet on this machine; --first 20, then --status, says them"
    low, high = plan["seconds"]
    span = Remaining(low, high, unknown)
    return f"{span} on one worker, as measured on this machine"


def _size(count: float) -> str:
    """Bytes in the unit in which they are read."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _text(plan: Mapping[str, Any]) -> str:
    lines = [
        f"{plan['requests']} requests, {plan['pictures']} pictures, {plan['kinds']} kinds of work; nothing was made",
        f"{plan['forward']:,} forward and {plan['backward']:,} backward rows of the network",
        _time(plan),
        f"about {_size(plan['bytes'])} of results as PNG; {_size(plan['free'])} are free",
    ]
    if plan["bounded"]:
        lines.append(f"{plan['bounded']} requests may take less: their cost depends on the picture")
    return "\n".join([*lines, *plan["problems"]])
