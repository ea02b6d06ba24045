"""Cases on pictures larger than the model: panoramas of the world, and renders of several times its size."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import from_numpy
from torch.nn import functional

from scumble.errors import InputError
from scumble.images import Box, Window, decibels
from scumble.images.framing import framed
from scumble.images.islands import bounding_box
from scumble_lab.bench.case import Case, Mask, Sample
from scumble_lab.bench.tasks import draw
from scumble_lab.world import Scene, caption, sample_scene
from scumble_lab.world.panorama import Panorama, owners, panorama, render_panorama, scene_at

__all__ = ["SIDE", "WideCase", "large_render", "psnr_in", "wide_panorama"]

SIDE = 64
"""Pixels across which a scene of a panorama takes, as many as the bundled models were trained on."""
_VISIBLE = 12
"""Difference of a channel from which a pixel counts as changed, of 255."""
_BRUSH = 2
"""How far beyond the change a user's brush goes, in pixels."""
_ATTEMPTS = 20


@dataclass(frozen=True)
class WideCase:
    """An edit of a part of a large picture.

    Attributes:
        case: What is asked for, of the scene alone.
        source: The picture to be edited.
        target: The true result.
        region: What a user would paint.
        scene: Left, top, right, bottom of the scene in the picture.
    """

    case: Case
    source: Image.Image
    target: Image.Image
    region: Mask
    scene: Box


def wide_panorama(task: str, number: int, seed: int, count: int, height: int) -> WideCase:
    """Draw a panorama of `count` scenes, one object of which is to be edited.

    The scene that is asked for and judged is what lies in the 64 pixels around the edit, where their border cuts the
    least: its caption is the prompt, whatever window an editor takes.

    Args:
        task: Of :data:`scumble_lab.bench.tasks.TASKS`, one that keeps the floor and the sky.
        number: Of the case.
        seed: Other cases.
        count: Scenes side by side, 64 pixels each.
        height: Of the picture; the scenes lie in its middle 64 rows.

    Raises:
        InputError: If no scene allows the edit.
    """
    reason = ""
    for attempt in range(_ATTEMPTS):
        try:
            return _wide(draw(task, 1000 * attempt + number, seed, SIDE), count, height)
        except InputError as error:
            reason = str(error)
    raise InputError(f"found no {task} in {_ATTEMPTS} panoramas: {reason}")


def large_render(task: str, number: int, seed: int, times: int = 4) -> WideCase:
    """Draw a case of the benchmark at several times the model's size."""
    sample: Sample = draw(task, number, seed, times * SIDE)
    assert sample.target is not None and sample.region is not None
    return WideCase(sample.case, sample.source, sample.target, sample.region, (0, 0, *sample.source.size))


def psnr_in(region: Mask, image: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> float:
    """PSNR in dB of two pictures (H, W, 3) within a region (H, W)."""
    return decibels(float(((image[region].astype(float) - target[region].astype(float)) ** 2).mean()), 255)


def _wide(sample: Sample, count: int, height: int) -> WideCase:
    before, after = sample.case.scenes
    rng = random.Random(f"panorama/{sample.case.id}/{before.seed}/{count}")
    place, others = rng.randrange(count), [_beside(before, rng) for _ in range(count - 1)]
    views = [panorama([*others[:place], scene, *others[place:]], scene) for scene in (before, after)]
    source, target = (render_panorama(view, SIDE, height).permute(1, 2, 0).numpy() for view in views)
    shown = [owners(view, SIDE, height) for view in views]
    change = np.abs(source.astype(int) - target.astype(int)).max(-1) > _VISIBLE
    for items, view, other in zip(shown, views, views[::-1], strict=True):
        change |= np.isin(items, _without(view, other))
    region, picture = _brushed(change), Image.fromarray(source)
    scene = _surroundings(picture, region)
    old, new = (_seen(view, items, scene) for view, items in zip(views, shown, strict=True))
    edited = [k for k, item in enumerate((old if sample.case.task == "remove" else new).objects)
              if item not in (new if sample.case.task == "remove" else old).objects]  # fmt: skip
    if len(edited) != 1 or not new.objects:
        raise InputError("the edited object is not alone in its surroundings")
    update = {"source_prompt": caption(old), "prompt": caption(new), "item": edited[0],
              "before": old.to_dict(), "after": new.to_dict()}  # fmt: skip
    return WideCase(sample.case.model_copy(update=update), picture, Image.fromarray(target), region, scene)


def _surroundings(picture: Image.Image, region: Mask) -> Box:
    """The 64 pixels around a region, where their border cuts the least; at the height of the scenes."""
    inside = bounding_box(region)
    top = (picture.height - SIDE) // 2
    if inside is None or inside[2] - inside[0] > SIDE - _BRUSH:
        raise InputError("the edit is too wide for one window")
    left = min(max((inside[0] + inside[2] - SIDE) // 2, 0), picture.width - SIDE)
    window = Window(picture.size, (SIDE, SIDE), (SIDE, SIDE), (left, top, left + SIDE, top + SIDE))
    left = framed(window, inside, picture).box[0]
    return left, top, left + SIDE, top + SIDE


def _seen(view: Panorama, shown: npt.NDArray[np.int64], scene: Box) -> Scene:
    """The objects that lie in the surroundings with all their pixels, as a scene of its own."""
    inside = shown[scene[1] : scene[3], scene[0] : scene[2]]
    items = [k for k in np.unique(inside[inside >= 0]).tolist() if (inside == k).sum() == (shown == k).sum()]
    return scene_at(view, (scene[0] + scene[2]) / 2 / SIDE, items)


def _beside(scene: Scene, rng: random.Random) -> Scene:
    """A scene of one or two objects for the same camera, floor and sky."""
    fixed = {key: getattr(scene, key) for key in ("floor", "sky", "camera", "light", "floor_yaw")}
    for count in (rng.choice((1, 1, 2)), 1):
        try:
            return sample_scene(rng, objects=count, **fixed)
        except InputError:
            continue
    return sample_scene(rng, objects=1, size="small", **fixed)


def _without(view: Panorama, other: Panorama) -> list[int]:
    """Places of the objects that the other view does not have."""
    return [place for place, item in enumerate(view.objects) if item not in other.objects]


def _brushed(change: Mask) -> Mask:
    grown = functional.max_pool2d(from_numpy(change.copy())[None, None].float(), 2 * _BRUSH + 1, 1, _BRUSH)
    return np.asarray(grown[0, 0].numpy() > 0, dtype=bool)
