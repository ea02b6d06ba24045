"""Edits that ask for two things at once: how they are drawn, parted into single changes, and judged."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from scumble.errors import InputError
from scumble_lab.bench.case import Case
from scumble_lab.world import Scene, caption, sample_edit, truths

__all__ = ["TWO_CHANGES", "Change", "change_twice", "changed_heads", "single_changes"]

TWO_CHANGES = ("two-objects", "floor-and-remove")
"""Recolor one thing and reshape another; lay another floor and take a thing away."""
_KINDS = {"two-objects": ("recolour", "reshape"), "floor-and-remove": ("floor", "remove")}
_BRUSH = 1 / 32
"""How far beyond the true change a person's brush goes, in picture widths."""


@dataclass(frozen=True)
class Change:
    """One of the two changes by itself.

    Attributes:
        text: Caption of the scene with this change alone.
        region: What a person would paint for it (H, W) in [0, 1].
    """

    text: str
    region: npt.NDArray[np.float32]


def change_twice(scene: Scene, task: str, rng: random.Random) -> tuple[Scene, str]:
    """Draw both changes; returns the edited scene and what is asked for.

    Raises:
        InputError: If the second would undo or hide the first.
    """
    first, second = _KINDS[task]
    between, words = sample_edit(scene, first, rng)
    after, more = sample_edit(between, second, rng)
    if task == "two-objects" and any(_both_differ(a, b) for a, b in zip(scene.objects, after.objects, strict=True)):
        raise InputError("both changes fell on one object")
    return after, f"{words}, and {more}"


def _both_differ(one: object, other: object) -> bool:
    return getattr(one, "color", None) != getattr(other, "color", None) and getattr(one, "shape", None) != getattr(
        other, "shape", None
    )


def single_changes(case: Case, size: int) -> tuple[Change, Change]:
    """Return the two changes of a case, each with its caption and its region."""
    before, after = case.scenes
    if case.task == "floor-and-remove":
        item = _removed(before, after)
        floor = replace(before, floor=after.floor)
        gone = replace(after, floor=before.floor)
        thing = _grown(truths(before, size).masks[item].numpy())
        ground = truths(before, size).ids.numpy() < 0
        return Change(caption(floor), ground.astype(np.float32)), Change(caption(gone), thing)
    changes = []
    for k, (old, new) in enumerate(zip(before.objects, after.objects, strict=True)):
        if old != new:
            alone = replace(before, objects=(*before.objects[:k], new, *before.objects[k + 1 :]))
            masks = [truths(scene, size).masks[k].numpy() for scene in (before, alone)]
            changes.append(Change(caption(alone), _grown(masks[0] | masks[1])))
    one, other = changes
    return one, other


def changed_heads(case: Case) -> set[tuple[int, str]]:
    """Return (index after the edit, attribute) of what two changes were to alter; -1 for the scene itself."""
    before, after = case.scenes
    if case.task == "floor-and-remove":
        return {(-1, "floor")}
    return {
        (k, head)
        for k, (old, new) in enumerate(zip(before.objects, after.objects, strict=True))
        for head in ("color", "shape")
        if getattr(old, head) != getattr(new, head)
    }


def _removed(before: Scene, after: Scene) -> int:
    pairs = zip(before.objects, after.objects, strict=False)
    return next((k for k, (old, new) in enumerate(pairs) if old != new), len(after.objects))


def _grown(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    reach = max(1, round(mask.shape[0] * _BRUSH))
    grown = binary_dilation(mask, np.ones((2 * reach + 1, 2 * reach + 1), bool))
    return np.asarray(grown, np.float32)
