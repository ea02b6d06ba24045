"""What needs the engine but no network: hashes of pictures, maps, warps, still lifes. Runs in a process of its own."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scumble.errors import InputError

__all__ = ["Desk"]

WARP_SIDE = 512
"""Longest side of the picture that is pulled under the finger."""
GAP = 9
"""Pixels of it that may lie between two uncovered ones of one region, and one more."""


class Desk:
    """A worker that answers questions and never loads a network.

    Args:
        scenes: ``module:function`` that renders a picture of the bundled world into a folder.
        token: As every worker gets; no files are written here.
    """

    def __init__(self, scenes: str, token: str = "") -> None:
        self.about: dict[str, Any] = {}
        self._scenes = scenes
        self._pictures: dict[tuple[str, int], Any] = {}

    def make(self, payload: Mapping[str, Any], tell: Any, cancelled: Any) -> Mapping[str, Any]:
        """The desk makes no pictures."""
        raise InputError("the desk makes no pictures")

    def ask(self, what: str, data: Any) -> Any:
        """Answer a question by the method of its name."""
        return getattr(self, f"answer_{what}")(**data)

    # ---- pictures and maps

    def answer_pixels(self, path: str) -> str:
        """The hash by which recipes name a picture."""
        from scumble.images import load_image

        return str(load_image(path).sha256)

    def answer_result(self, path: str, inputs: list[str]) -> dict[str, Any] | None:
        """What a written result says of itself."""
        from scumble.studio.found import found_result

        return found_result(Path(path), inputs)

    def answer_map_of(self, path: str, folders: list[str]) -> str | None:
        """The file of the map that a picture's recipe names."""
        from scumble.studio.found import found_map

        return found_map(Path(path), folders)

    def answer_inversion(self, path: str) -> dict[str, Any]:
        """What an inversion's file says of itself."""
        from scumble.studio.found import found_inversion

        return found_inversion(Path(path))

    def answer_import(self, path: str, size: tuple[int, int], polarity: str) -> dict[str, Any]:
        """Read any picture as a change map of a size: 8-bit strengths, and what was remarked."""
        import torch

        from scumble.images import load_map

        change, notices = load_map(path, (size[0], size[1]), polarity=polarity)  # type: ignore[arg-type]
        values = (change[0, 0].clamp(0, 1) * 255).round().to(torch.uint8)
        positive = (change[0, 0] > 0) & (values == 0)
        values[positive] = 1  # what may change a little may still change
        return {"strengths": values.contiguous().numpy().tobytes(), "notices": notices}

    def answer_still_life(self, seed: int) -> dict[str, Any]:
        """A scene of the bundled world as PNG, and its caption."""
        import tempfile

        module, _, name = self._scenes.partition(":")
        render_pictures = getattr(importlib.import_module(module), name)
        with tempfile.TemporaryDirectory() as folder:
            render_pictures(Path(folder), count=1, seed=seed, size=512, truths=False)
            path = next(Path(folder).glob("*.png"))
            about = json.loads(path.with_suffix(".json").read_text())
            return {"png": path.read_bytes(), "name": "still-life.png", "caption": str(about["caption"])}

    def answer_warp(self, path: str, change_map: str | None, points: list[list[float]]) -> dict[str, Any]:
        """The picture pulled along the points as ``warp-drag`` would, at screen size; no network is evaluated."""
        from PIL import Image

        from scumble.images import Window, load_map, to_image, to_tensor
        from scumble.methods.batch import EditBatch
        from scumble.methods.drag.warp_drag import WarpDrag

        image = self._small(path)
        across = image.width / self._original[0]
        scaled = [[(value + 0.5) * across - 0.5 for value in pair] for pair in points]
        change = None
        if change_map is not None:
            with Image.open(change_map) as strengths:
                reduced = strengths.convert("L").resize(image.size, Image.Resampling.BOX)
            change = load_map(reduced, image.size)[0]
        batch: Any = EditBatch(
            model=None,  # type: ignore[arg-type]  # a warp asks no network
            noise=None,  # type: ignore[arg-type]
            count=1,
            size=image.size,
            image=to_tensor(image),
            change=change,
            window=Window(image.size, image.size, image.size),
        )
        warped = WarpDrag(points=tuple(tuple(pair) for pair in scaled), preview=True).warped(batch)
        shown = _hatched(to_image(warped.image[None])[0], warped.uncovered)
        buffer = io.BytesIO()
        shown.save(buffer, "JPEG", quality=88)
        moved = float((warped.moved > 0).float().mean())
        return {"jpeg": buffer.getvalue(), "moved": moved}

    def _small(self, path: str) -> Any:
        from PIL import Image

        from scumble.images import load_image

        key = (path, WARP_SIDE)
        if key not in self._pictures:
            self._pictures.clear()
            picture = load_image(path)
            image = picture.rgb.copy()
            image.thumbnail((WARP_SIDE, WARP_SIDE), Image.Resampling.LANCZOS)
            self._pictures[key] = (image, picture.size)
        image, self._original = self._pictures[key]
        return image


def _hatched(image: Any, uncovered: Any) -> Any:
    """Hatch what the pull uncovered: it will be redrawn. Gaps between stretched pixels are shown as one region."""
    import numpy as np
    from PIL import Image, ImageFilter

    pixels = np.asarray(image.convert("RGB")).copy()
    gaps = Image.fromarray(uncovered.cpu().numpy().astype(np.uint8) * 255)
    bare = np.asarray(gaps.filter(ImageFilter.MaxFilter(GAP)).filter(ImageFilter.MinFilter(GAP))) > 0
    rows, columns = np.indices(bare.shape)
    stripes = bare & ((rows + columns) % 8 < 3)
    pixels[bare] = (pixels[bare] * 0.55 + np.array([24, 199, 176]) * 0.2).astype(np.uint8)
    pixels[stripes] = (pixels[stripes] * 0.5).astype(np.uint8)
    return Image.fromarray(pixels)
