"""The twelve kinds of edits whose true result is known, drawn by lot from the still-life world."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scumble.errors import InputError, nearest
from scumble_lab.bench.case import Case, Mask, Sample
from scumble_lab.bench.two_changes import TWO_CHANGES, change_twice
from scumble_lab.world import Scene, caption, change_mask, correspond, edit, render, sample_edit, sample_scene, truths
from scumble_lab.world.captions import noun_phrase
from scumble_lab.world.layout import box

__all__ = ["TASKS", "draw", "named_tasks"]

TASKS = (
    "recolour", "rematerial", "reshape", "remove", "add", "move", "resize", "floor", "sky", "outpaint", *TWO_CHANGES
)  # fmt: skip
"""Names of the tasks, in the order of every table."""

_SEED = "benchmark"
"""Training draws from ``"<seed>/<number>"`` and measures on ``"measured/…"``: no stream is shared."""
_SMALLEST = 0.012
"""Share of the picture that an edit must change to be worth judging."""
_MOVES = (8 / 64, 40 / 64)
"""How far an object is moved, in picture widths."""
_GROWN = 1 / 32
"""How far beyond the true change a user's brush goes, in picture widths."""
_ATTEMPTS = 60
_ATTRIBUTES = {"recolour": "color", "rematerial": "material", "reshape": "shape", "resize": "size"}


@dataclass(frozen=True)
class _Drawn:
    before: Scene
    after: Scene
    said: str


def named_tasks(given: str) -> tuple[str, ...]:
    """Read ``all`` or comma-separated names.

    Raises:
        InputError: for a name that is none.
    """
    names = TASKS if given == "all" else tuple(name.strip() for name in given.split(",") if name.strip())
    for name in names:
        if name not in TASKS:
            raise InputError(f"unknown task {name!r}{nearest(name, TASKS)}; known: {', '.join(TASKS)}")
    if not names:
        raise InputError(f"no task was named; known: {', '.join(TASKS)}")
    return names


def draw(task: str, number: int, seed: int = 0, size: int = 64, words: Sequence[str] = ()) -> Sample:
    """Draw case `number` of a task: the same numbers give the same case, in pictures of size x size pixels.

    Args:
        task: What kind of edit.
        number: Of the case.
        seed: Other cases.
        size: Of the pictures.
        words: The new value must be one of these; none: any.

    Raises:
        InputError: for an unknown task, or if no scene allows the edit.
    """
    named_tasks(task)
    rng = random.Random(f"{_SEED}/{seed}/{task}/{number}")
    reason = ""
    attempts = _ATTEMPTS * (10 if words else 1)
    for _ in range(attempts):
        try:
            drawn = _draw(task, rng)
            if words and _new_word(task, drawn) not in words:
                reason = f"none to {' or '.join(words)}"
                continue
            return _sample(task, f"{task}-{number:03d}", drawn, size)
        except InputError as error:
            reason = str(error)
    raise InputError(f"found no {task} to ask for in {attempts} scenes: {reason}")


def _draw(task: str, rng: random.Random) -> _Drawn:
    # The models have seen one to three objects, so the result of no edit is an empty scene.
    counts = {"add": (2,), "move": (1,), "remove": (2,), **dict.fromkeys(TWO_CHANGES, (2,))}.get(task, (1, 1, 2))
    scene = sample_scene(rng, objects=rng.choice(counts))
    if task == "add":
        return _addition(scene, rng)
    if task == "move":
        return _move(scene, rng)
    if task == "outpaint":
        share, side = rng.choice((0.125, 0.25)), rng.choice((-1, 1))
        after = edit(scene, "pan", right=side * share)
        if any(left < 0.01 or right > 0.99 for left, _, right, _ in after.boxes()):
            raise InputError("an object would leave the picture")
        return _Drawn(scene, after, f"continue the picture to the {'right' if side > 0 else 'left'}")
    after, words = change_twice(scene, task, rng) if task in TWO_CHANGES else sample_edit(scene, task, rng)
    return _Drawn(scene, after, words)


def _addition(after: Scene, rng: random.Random) -> _Drawn:
    """A scene of two objects without its second: so the true result is a scene like those the models know."""
    objects = list(after.objects)
    rng.shuffle(objects)
    after = replace(after, objects=tuple(objects))
    return _Drawn(edit(after, "remove", which=1), after, f"add {noun_phrase(objects[1])}")


def _move(scene: Scene, rng: random.Random) -> _Drawn:
    """One object to another place within the bounds in which single objects are drawn."""
    item, half = scene.objects[0], -scene.camera.y * scene.camera.lens
    there = rng.uniform(-0.55, 0.55) * half, rng.uniform(-0.25, 0.45)
    after = edit(scene, "move", by=(there[0] - item.x, there[1] - item.y))
    (x0, y0), (x1, y1) = (_middle(one) for one in (scene, after))
    if not _MOVES[0] <= math.dist((x0, y0), (x1, y1)) <= _MOVES[1]:
        raise InputError("the move would be too short or too long")
    left, top, right, bottom = after.boxes()[0]
    if min(left, top) < 0.01 or max(right, bottom) > 0.99:
        raise InputError("the object would leave the picture")
    name = noun_phrase(item).split(" ", 1)[1]
    return _Drawn(scene, after, f"move the {name} to the {'left' if x1 < x0 else 'right'}")


def _middle(scene: Scene) -> tuple[float, float]:
    left, top, right, bottom = box(scene.objects[0], scene.camera)
    return (left + right) / 2, (top + bottom) / 2


def _sample(task: str, name: str, drawn: _Drawn, size: int) -> Sample:
    before, after = drawn.before, drawn.after
    first, target = render([before, after], size)
    change = change_mask(before, after, size).numpy()
    item = _edited_item(task, before, after)
    points: tuple[tuple[float, float, float, float], ...] = ()
    pan = None
    if task == "outpaint":
        pan = (after.camera.pan_x - before.camera.pan_x, 0.0)
        first, change = _canvas(target, pan[0])
        region = change
    else:
        region = _painted(task, before, after, change, size)
    if change.mean() < _SMALLEST:
        raise InputError("the edit would hardly be seen")
    if task == "move":
        points = _points(before, after, size)
    attribute = _attribute(task)
    case = Case(
        id=name,
        task=task,
        instruction=drawn.said,
        source_prompt=caption(before),
        prompt=caption(after),
        points=points,
        item=item,
        attribute=attribute,
        word=_word(after, item, attribute),
        old_word=_word(before, item, attribute),
        pan=pan,
        before=before.to_dict(),
        after=after.to_dict(),
    )
    return Sample(case, _image(first), _image(target), change, region)


def _attribute(task: str) -> str | None:
    return _ATTRIBUTES.get(task) or (task if task in ("floor", "sky") else None)


def _new_word(task: str, drawn: _Drawn) -> str | None:
    item = _edited_item(task, drawn.before, drawn.after)
    return _word(drawn.after, item, _attribute(task))


def _edited_item(task: str, before: Scene, after: Scene) -> int | None:
    if task in ("floor", "sky", "outpaint", *TWO_CHANGES):
        return None
    if task == "add":
        return len(after.objects) - 1
    pairs = zip(before.objects, after.objects, strict=False)
    return next((i for i, (old, new) in enumerate(pairs) if old != new), len(after.objects))


def _word(scene: Scene, item: int | None, attribute: str | None) -> str | None:
    if attribute is None:
        return None
    return str(getattr(scene if item is None else scene.objects[item], attribute))


def _canvas(target: Tensor, right: float) -> tuple[Tensor, Mask]:
    """The known part of a panned picture (3, H, W), its edge drawn out over what is to be found; and where that is."""
    size = target.shape[-1]
    width = round(abs(right) * size)
    canvas, new = target.clone(), np.zeros((size, size), dtype=bool)
    if right > 0:
        canvas[..., size - width :] = target[..., size - width - 1 : size - width]
        new[:, size - width :] = True
    else:
        canvas[..., :width] = target[..., width : width + 1]
        new[:, :width] = True
    return canvas, new


def _painted(task: str, before: Scene, after: Scene, change: Mask, size: int) -> Mask:
    """The change, the edited object before and after, and a brush's width around; no objects for another floor.

    Another sky is another light: it may change everything.
    """
    if task == "sky":
        return np.ones((size, size), dtype=bool)
    marked = torch.from_numpy(change.copy())
    for scene, other in ((before, after), (after, before)):
        for mask, thing in zip(truths(scene, size).masks, scene.objects, strict=True):
            if thing not in other.objects:
                marked |= mask
    reach = max(1, round(size * _GROWN))
    grown = F.max_pool2d(marked[None, None].float(), 2 * reach + 1, stride=1, padding=reach)[0, 0] > 0
    if task == "floor":
        grown &= truths(after, size).ids < 0
    return np.asarray(grown.numpy(), dtype=bool)


def _points(before: Scene, after: Scene, size: int) -> tuple[tuple[float, float, float, float], ...]:
    """The point of the object's surface nearest to its middle that is seen in both pictures, and where it goes."""
    rows, columns = np.nonzero(truths(before, size).masks[0].numpy())
    order = np.argsort((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2, kind="stable")[:40]
    given = [(columns[k] + 0.5, rows[k] + 0.5) for k in order]
    matches = correspond(before, after, given, size)
    for (x0, y0), (x1, y1), visible in zip(given, matches.points, matches.visible, strict=True):
        if visible:
            return ((float(x0 - 0.5), float(y0 - 0.5), round(float(x1) - 0.5, 3), round(float(y1) - 0.5, 3)),)
    raise InputError("no point of the object is seen both before and after")


def _image(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
