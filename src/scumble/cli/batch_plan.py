"""``scumble batch --dry-run``: what a list would come to, before anything is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
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
TRIED = 8
"""Requests that are counted of each kind, where the cost may depend on what a map or an inversion holds."""


def show_plan(todo: Batch, as_json: bool) -> int:
    """Print what a list comes to; return the exit code: 2 when a kind of request cannot be made at all."""
    record = counted(todo)
    print(json.dumps(record, ensure_ascii=False) if as_json else _text(record))
    return 2 if record["problems"] else 0


def counted(todo: Batch) -> dict[str, Any]:
    """What a list comes to: requests, pictures, kinds of work, rows at most, bytes, and what cannot be made.

    Requests that differ in words, seeds and what their files hold alone are of one kind. Of each kind a few are
    counted: reading thousands of large maps would take hours.
    """
    entries = entries_of(todo.check().named)
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kinds.setdefault(canonical(_shape(entry.body)), []).append(entry)
    tried = [_some(group) for group in kinds.values()]
    plans = iter(todo.plans([entry.body for some in tried for entry in some]))
    place = todo.folder.absolute()
    while not place.exists():
        place = place.parent
    record: dict[str, Any] = {"requests": len(entries), "pictures": sum(entry.count for entry in entries)}
    record["kinds"] = len(kinds)
    record |= dict.fromkeys(("forward", "backward", "bytes", "bounded", "unmeasured"), 0)
    record |= {"taken": 0, "seconds": [0.0, 0.0], "problems": list[str]()}
    for some, group in zip(tried, kinds.values(), strict=True):
        record["taken"] += len(group) - len(some) if len(some) > 1 else 0
        _add(record, group, [(entry, next(plans)) for entry in some])
    record["free"] = shutil.disk_usage(place).free
    return record


def _some(group: Sequence[Entry]) -> list[Entry]:
    """The requests of a kind that are counted, evenly chosen; one where all cost the same."""
    alike = not any(isinstance(group[0].body.get(name), Mapping) for name in ("change_map", "inversion"))
    number = min(len(group), 1 if alike else TRIED)
    return [group[k * len(group) // number] for k in range(number)]


def _add(record: dict[str, Any], group: Sequence[Entry], plans: Sequence[tuple[Entry, Mapping[str, Any]]]) -> None:
    """Add what a kind comes to, as those of it that were counted say: the most rows of them, the mean of their time."""
    good = [plan for _, plan in plans if "problem" not in plan]
    for problem in dict.fromkeys(plan["problem"] for _, plan in plans if "problem" in plan):
        named = [entry for entry, plan in plans if plan.get("problem") == problem] if good else group
        lines = ", ".join(str(entry.source or entry.id) for entry in named[:20])
        record["problems"].append(f"{problem} (requests {lines}{', …' if len(named) > 20 else ''})")
    if not good:
        return
    for name in ("forward", "backward"):
        record[name] += max(plan[name] for plan in good) * len(group)
    record["bytes"] += int(good[0]["pixels"] * len(group) * BYTES_A_PIXEL)
    record["bounded"] += 0 if all(plan["exact"] for plan in good) else len(group)
    times = [plan["seconds"] for plan in good if plan.get("seconds") is not None]
    if times:
        low, high = (sum(ends) / len(times) * len(group) for ends in zip(*times, strict=True))
        record["seconds"] = [record["seconds"][0] + low, record["seconds"][1] + high]
    else:
        record["unmeasured"] += len(group)


def _shape(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a request's cost depends on: not words, seeds or names, and of picture and map their sizes alone."""
    parameters = {name: bool(value) if "prompt" in name else value for name, value in body["parameters"].items()}
    aside = ("id", "seed", "output", "labels", "priority", "parameters")
    shape = {name: value for name, value in body.items() if name not in aside} | {"parameters": parameters}
    for name in ("image", "change_map", "inversion"):
        path = shape[name].get("path") if isinstance(shape.get(name), Mapping) else None
        if path is not None:
            shape[name] = "a file" if name == "inversion" else _size_of(path)
    return shape


def _size_of(path: str) -> list[int]:
    with Image.open(path) as header:  # the pixels are not read
        return list(header.size)


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
    if plan["taken"]:
        lines.append(f"{plan['taken']} requests are taken to cost the most that others with maps of their size do")
    if plan["bounded"]:
        lines.append(f"{plan['bounded']} requests may take less: their cost depends on the picture")
    return "\n".join([*lines, *plan["problems"]])
