"""Cases on pictures larger than the model: panoramas of the world, and renders of several times its size."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import from_numpy
from torch.nn import functional

from scumble.errors import InputError
from scumble.images import decibels
from scumble_lab.bench.case import Case, Mask, Sample
from scumble_lab.bench.tasks import draw
from scumble_lab.world import Scene, caption, sample_scene
from scumble_lab.world.panorama import Panorama, owners, panorama, render_panorama

__all__ = ["SIDE", "WideCase", "large_render", "psnr_in", "wide_panorama"]

SIDE = 64
"""Pixels across which a scene of a panorama takes, as many as the bundled models were trained on."""
_VISIBLE = 12
"""Difference of a channel from which a pixel counts as changed, of 255."""
_BRUSH = 2
"""How far beyond the change a person's brush goes, in pixels."""


@dataclass(frozen=True)
class WideCase:
    """An edit of a part of a large picture.

    Attributes:
        case: What is asked for, of the scene alone; the prompt names the new thing and nothing else, since neither the
            window nor the whole picture shows just this scene. Where a thing is removed, it names the one beside it.
        source: The picture to be edited.
        target: The true result.
        region: What a person would paint.
        scene: Left, top, right, bottom of the scene in the picture.
    """

    case: Case
    source: Image.Image
    target: Image.Image
    region: Mask
    scene: tuple[int, int, int, int]


def wide_panorama(task: str, number: int, seed: int, count: int, height: int) -> WideCase:
    """Draw a panorama of `count` scenes, one of which is to be edited.

    Args:
        task: Of :data:`scumble_lab.bench.tasks.TASKS`, one that keeps the floor and the sky.
        number: Of the case.
        seed: Other cases.
        count: Scenes side by side, 64 pixels each.
        height: Of the picture; the scenes lie in its middle 64 rows.

    Raises:
        InputError: If no scene allows the edit.
    """
    sample = draw(task, number, seed, SIDE)
    before, after = sample.case.scenes
    rng, place = random.Random(f"panorama/{seed}/{task}/{number}/{count}"), number % count
    others = [_beside(before, rng) for _ in range(count - 1)]
    views = [panorama([*others[:place], scene, *others[place:]], scene) for scene in (before, after)]
    source, target = (render_panorama(view, SIDE, height).permute(1, 2, 0).numpy() for view in views)
    change = np.abs(source.astype(int) - target.astype(int)).max(-1) > _VISIBLE
    for view, other in (views, views[::-1]):
        change |= np.isin(owners(view, SIDE, height), _without(view, other))
    top = (height - SIDE) // 2
    scene = (place * SIDE, top, (place + 1) * SIDE, top + SIDE)
    return WideCase(_alone(sample.case), Image.fromarray(source), Image.fromarray(target), _brushed(change), scene)


def large_render(task: str, number: int, seed: int, times: int = 4) -> WideCase:
    """Draw a case of the benchmark at several times the model's size."""
    sample: Sample = draw(task, number, seed, times * SIDE)
    return WideCase(sample.case, sample.source, sample.truth, sample.area, (0, 0, *sample.source.size))


def psnr_in(region: Mask, image: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> float:
    """PSNR in dB of two pictures (H, W, 3) within a region (H, W)."""
    return decibels(float(((image[region].astype(float) - target[region].astype(float)) ** 2).mean()), 255)


def _beside(scene: Scene, rng: random.Random) -> Scene:
    """A scene of one or two objects for the same camera, floor and sky."""
    fixed = {key: getattr(scene, key) for key in ("floor", "sky", "camera", "light", "floor_yaw")}
    for count in (rng.choice((1, 1, 2)), 1):
        try:
            return sample_scene(rng, objects=count, **fixed)
        except InputError:
            continue
    return sample_scene(rng, objects=1, size="small", **fixed)


def _alone(case: Case) -> Case:
    """The case with a prompt for the edited thing alone."""
    _, after = case.scenes
    if case.item is None or case.item >= len(after.objects) or case.task == "remove":
        return case
    return case.model_copy(update={"prompt": caption(replace(after, objects=(after.objects[case.item],)))})


def _without(view: Panorama, other: Panorama) -> list[int]:
    """Places of the objects that the other view does not have."""
    return [place for place, item in enumerate(view.objects) if item not in other.objects]


def _brushed(change: Mask) -> Mask:
    grown = functional.max_pool2d(from_numpy(change.copy())[None, None].float(), 2 * _BRUSH + 1, 1, _BRUSH)
    return np.asarray(grown[0, 0].numpy() > 0, dtype=bool)
