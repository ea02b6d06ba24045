"""What `scumble world` does: contact sheets, and pictures with captions and truths on disk."""

from __future__ import annotations

import io
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from scumble.errors import InputError
from scumble.files import atomic_write

if TYPE_CHECKING:
    from scumble_lab.world import Scene

_AT_ONCE = 32
_LINE = 11
_DEPTH_STEP = 1000


def sheet(out: Path, *, count: int = 24, seed: int = 0, size: int = 128) -> None:
    """Draw a contact sheet of the bundled world: scenes with their captions below.

    Args:
        out: The picture to write (PNG).
        count: How many scenes.
        seed: Scene seeds count up from here.
        size: Width and height of each scene's picture in pixels.
    """
    from scumble_lab.world import caption

    scenes = _scenes(count, seed, size)
    columns = min(6, count)
    rows = -(-count // columns)
    wide, high = size + 4, size + 4 + 4 * _LINE
    page = Image.new("RGB", (columns * wide, rows * high), "white")
    draw = ImageDraw.Draw(page)
    for start in range(0, count, _AT_ONCE):
        part = scenes[start : start + _AT_ONCE]
        for number, (scene, pixels) in enumerate(zip(part, _pixels(part, size), strict=True), start=start):
            x, y = number % columns * wide + 2, number // columns * high + 2
            page.paste(Image.fromarray(pixels), (x, y))
            for line, text in enumerate(textwrap.wrap(caption(scene), max(8, size // 6))[:4]):
                draw.text((x, y + size + line * _LINE), text, fill="black")
    _write(out, _png(page))


def render_pictures(out: Path, *, count: int = 16, seed: int = 0, size: int = 128, truths: bool = True) -> None:
    """Render pictures of the bundled world into a folder, each with a JSON file of what is true of it.

    For each seed: `000007.png`, and `000007.json` with caption, scene and the objects' boxes in pixels. With
    truths also `000007.ids.png` (object number plus one, 0 for floor and sky) and `000007.depth.png` (distance
    in thousandths of a world unit, 16 bit, 0 for the sky).

    Args:
        out: The folder, made if missing.
        count: How many scenes.
        seed: Scene seeds count up from here.
        size: Width and height in pixels.
        truths: Also write the object and depth maps.
    """
    scenes = _scenes(count, seed, size)
    for start in range(0, count, _AT_ONCE):
        part = scenes[start : start + _AT_ONCE]
        for number, (scene, pixels) in enumerate(zip(part, _pixels(part, size), strict=True), start=seed + start):
            _write_scene(out, f"{number:06d}", scene, pixels, with_maps=truths)


def _write_scene(out: Path, name: str, scene: Scene, pixels: npt.NDArray[np.uint8], *, with_maps: bool) -> None:
    from scumble_lab.world import caption, truths

    maps = truths(scene, pixels.shape[0])
    _write(out / f"{name}.png", _png(Image.fromarray(pixels)))
    if with_maps:
        _write(out / f"{name}.ids.png", _png(Image.fromarray((maps.ids + 1).numpy().astype(np.uint8))))
        depth = np.nan_to_num(maps.depth.numpy() * _DEPTH_STEP, posinf=0.0).clip(0, 65535).astype(np.uint16)
        _write(out / f"{name}.depth.png", _png(Image.fromarray(depth)))
    # The JSON comes last: where it stands, the pictures beside it are whole.
    record = {"caption": caption(scene), "boxes": maps.boxes, "centres": maps.centers, "scene": scene.to_dict()}
    _write(out / f"{name}.json", (json.dumps(record, indent=1) + "\n").encode())


def _scenes(count: int, seed: int, size: int) -> list[Scene]:
    if count < 1 or size < 8:
        raise InputError(f"count must be at least 1 and size at least 8, got {count} and {size}")
    from scumble_lab.world import sample_scene

    return [sample_scene(seed + number) for number in range(count)]


def _pixels(scenes: list[Scene], size: int) -> list[npt.NDArray[np.uint8]]:
    from scumble_lab.world import render

    return list(render(scenes, size).permute(0, 2, 3, 1).contiguous().numpy())


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(data)
