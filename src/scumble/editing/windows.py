"""Windows: the parts of an image that an edit works on, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from scumble.errors import InputError, MethodError
from scumble.images import Box, Window, fit, region
from scumble.images.framing import framed
from scumble.images.islands import Island, bounding_box, islands, merged
from scumble.images.region import AREA
from scumble.methods.method import Method
from scumble.models.base import Model
from scumble.records.view import VIEW_0_1, View, WindowRecord

__all__ = [
    "PHOTOGRAPHS",
    "Part",
    "choose_parts",
    "recorded",
    "tiled_part",
    "whole_part",
    "window_around",
    "window_record",
]

LARGEST_WORK = 4.0
"""Largest work size, in units of the trained side."""
BETTER = 1e-9
PHOTOGRAPHS = 256
"""Trained side in pixels from which a model is one of photographs."""
OWN_SIZE = 1.0
"""Pixels of the window of a small model, in units of the trained side squared, where the region leaves the choice."""


@dataclass(frozen=True)
class Part:
    """One window, and what it changes.

    Attributes:
        window: The window.
        change: The part of the change map (1 or B, 1, h, w) in the window's box, of this part alone; or None.
        box: Bounding box of what it changes.
    """

    window: Window
    change: Tensor | None
    box: Box


def whole_part(model: Model, size: tuple[int, int], change: Tensor | None = None, native: int | None = None) -> Part:
    """The part that is the whole picture, scaled to about what the model was trained on."""
    window = fit(*size, multiple=model.multiple, native=native or model.native_size)
    return Part(window, change, window.box)


def window_around(
    model: Model, size: tuple[int, int], inside: Box, context: float | None, native: int, picture: Image.Image | None
) -> Window:
    """The window around a region, framed by what is in the picture.

    A small model draws scenes of its own size and nothing else: more context would show it more than a scene.
    """
    comfort = OWN_SIZE if model.native_size < PHOTOGRAPHS else AREA
    around = region(size, inside, model.multiple, native, context, comfort)
    return around if picture is None else framed(around, inside, picture, model.multiple)


def choose_parts(
    model: Model,
    method: Method,
    size: tuple[int, int],
    change: Tensor | None,
    view: View,
    fixed: Window | None = None,
    picture: Image.Image | None = None,
) -> tuple[list[Part], list[str]]:
    """Choose the windows of an edit.

    Args:
        model: The model.
        method: The method; its points, if it has any, lie in the window.
        size: (width, height) of the picture.
        change: The change map at the picture's size (1 or B, 1, H, W), or None.
        view: What the user wants.
        fixed: The window of an inversion: it is taken, and the map must lie in it.
        picture: The picture in RGB: windows are framed by what is in it; without it they are centered.

    Raises:
        InputError: If the work size does not fit the model, or the map reaches beyond a fixed window.
        MethodError: If the method cannot work in tiles.
    """
    notices: list[str] = []
    native = _work_size(model, view, notices)
    where = None if change is None else np.asarray((change > 0).numpy().any(axis=(0, 1)))
    box = None if where is None else bounding_box(where)
    points = tuple(getattr(method, "points", ()) or ())
    if fixed is not None:
        if view.tiles:
            _refuse_untileable(method)
        _inside(fixed, box, points)
        return [Part(fixed, None if change is None else fixed.cut(change), box or fixed.box)], notices
    whole = whole_part(model, size, change, native)
    if method.needs_no_network and view != VIEW_0_1:
        return [_own_size(size, change, box, points)], notices
    if view.tiles:
        _refuse_untileable(method)
        return [tiled_part(model, size, change, box, view)], notices
    if change is None or box is None or where is None or view.window == "whole":
        if view.window == "region" and change is None:
            raise InputError("a region needs a map: give one with --map, or --window whole")
        return [whole], notices

    def window(inside: Box) -> Window:
        return window_around(model, size, inside, view.context, native, picture)

    joined = _with_points(box, points, size)
    regions, labels = ([Island(joined, ())], None) if points or method.scene_wide else islands(where)
    together, forced = merged(regions, window, view.windows)
    chosen = [window(island.box) for island in together]
    scale = max(one.scale for one in chosen)
    if view.window == "auto" and (whole.window.scale < 1.0 or scale >= whole.window.scale - BETTER):
        return [whole], notices
    if len(together) > 1:
        few = f" (no more than {view.windows}: the nearest were put together)" if forced else ""
        notices.append(f"{len(together)} regions far apart: {len(together)} windows, one after the other{few}")
        if str(getattr(method, "prompt", "")):
            notices.append("every window obeys the whole prompt: what it names once may appear in each")
    return [_part(one, island, change, labels) for one, island in zip(chosen, together, strict=True)], notices


def window_record(part: Part, feather: int) -> WindowRecord:
    """What the recipe says of a window."""
    window = part.window
    return WindowRecord(
        box=window.box,
        scaled=window.scaled,
        size=window.size,
        sigma=round(window.scale, 6),
        context=window.context,
        feather=feather,
    )


def _part(window: Window, island: Island, change: Tensor, labels: npt.NDArray[np.int32] | None) -> Part:
    inside = window.cut(change)
    if labels is not None:
        left, top, right, bottom = window.box
        inside = inside * torch.from_numpy(np.isin(labels[top:bottom, left:right], island.labels))
    return Part(window, inside, island.box)


def _work_size(model: Model, view: View, notices: list[str]) -> int:
    if view.work_size is None:
        return model.native_size
    least, most = min(4 * model.multiple, model.native_size), int(LARGEST_WORK * model.native_size)
    if not least <= view.work_size <= most:
        raise InputError(f"the work size of {model.name} must be from {least} to {most} pixels, got {view.work_size}")
    rounded = round(view.work_size / model.multiple) * model.multiple
    if rounded != view.work_size:
        notices.append(f"the work size was rounded to {rounded}, a multiple of {model.multiple}")
    return rounded


def _with_points(box: Box, points: Sequence[Sequence[float]], size: tuple[int, int]) -> Box:
    """The box joined with every point, each as one pixel."""
    left, top, right, bottom = box
    for one in points:
        for x, y in (one[:2], one[2:]):
            column, row = (min(max(round(p), 0), side - 1) for p, side in zip((x, y), size, strict=True))
            left, top, right, bottom = min(left, column), min(top, row), max(right, column + 1), max(bottom, row + 1)
    return left, top, right, bottom


def _inside(window: Window, box: Box | None, points: Sequence[Sequence[float]]) -> None:
    left, top, right, bottom = window.box
    place = f"{left},{top}-{right},{bottom}"
    if box is not None and not (left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= bottom):
        raise InputError(f"the inversion is of the region {place}; the map reaches beyond it: invert again with --map")
    for one in points:
        for x, y in (one[:2], one[2:]):
            if not (left - 0.5 <= x < right and top - 0.5 <= y < bottom):
                raise InputError(f"the inversion is of the region {place}; the point {x:g},{y:g} lies outside")


def _own_size(size: tuple[int, int], change: Tensor | None, box: Box | None, points: Sequence[Sequence[float]]) -> Part:
    """The surroundings of a map as they are, for what needs no network; the whole picture where there is no map."""
    place: Box = (0, 0, *size)
    if box is not None:
        left, top, right, bottom = _with_points(box, points, size)
        margin = max((right - left + bottom - top) // 4, 32)
        place = (
            max(left - margin, 0),
            max(top - margin, 0),
            min(right + margin, size[0]),
            min(bottom + margin, size[1]),
        )
    sides = (place[2] - place[0], place[3] - place[1])
    window = Window(size, sides, sides, place)
    return Part(window, None if change is None else window.cut(change), box or place)


def _refuse_untileable(method: Method) -> None:
    if not method.tileable:
        raise MethodError(
            f"tiles cannot be used with {method.method_name()}: what it compares may lie in different tiles;"
            " leave --tiles out, or use sdedit, differential-diffusion or ddpm-inversion"
        )


def tiled_part(model: Model, size: tuple[int, int], change: Tensor | None, box: Box | None, view: View) -> Part:
    """The picture, or what is around a box in it, at its own size: to be worked on in tiles."""
    place: Box = (0, 0, *size)
    if box is not None and view.window != "whole":
        margin = model.native_size // 4
        low = (max(box[0] - margin, 0), max(box[1] - margin, 0))
        place = (*low, min(box[2] + margin, size[0]), min(box[3] + margin, size[1]))
    sides = (place[2] - place[0], place[3] - place[1])
    inner = (-(-sides[0] // model.multiple) * model.multiple, -(-sides[1] // model.multiple) * model.multiple)
    window = Window(size, sides, inner, place)
    return Part(window, None if change is None else window.cut(change), box or place)


def _recorded_window(record: WindowRecord, original: tuple[int, int]) -> Window:
    left, top, right, bottom = record.box
    sound = left < right <= original[0] and top < bottom <= original[1]
    if not sound or any(inner < scaled for inner, scaled in zip(record.size, record.scaled, strict=True)):
        raise InputError(f"the recipe's window {left},{top}-{right},{bottom} does not fit the picture")
    return Window(original, record.scaled, record.size, record.box, record.context)


def recorded(parts: Sequence[Part], records: Sequence[WindowRecord]) -> tuple[list[Part], list[str]]:
    """Put the windows of a recipe in place of those that this version chooses.

    Returns:
        The parts, and a notice where they differ.
    """
    if not records:
        return list(parts), []
    if len(parts) != len(records):
        return list(parts), ["another version chose other windows: the picture may differ"]
    result, differs = [], False
    for part, record in zip(parts, records, strict=True):
        window = _recorded_window(record, part.window.original)
        differs = differs or window != part.window
        if part.change is not None and window.box != part.window.box:
            full = torch.zeros(*part.change.shape[:2], window.original[1], window.original[0])
            part.window.cut(full)[...] = part.change
            part = replace(part, change=window.cut(full))
        result.append(replace(part, window=window))
    return result, ["another version chose another window: the recorded one was taken"] if differs else []
