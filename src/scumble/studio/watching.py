"""What the maker tells while it works: its steps, pictures of the way, and whether it is to stop."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Watch"]

PREVIEW_SIDE = 512
PREVIEW_GAP = 0.3
"""Seconds between two previews at least; and they take at most a tenth of the time."""
PREVIEW_SHARE = 0.1


class Watch:
    """Progress, previews and the way to stop, called after every step."""

    def __init__(
        self, payload: Mapping[str, Any], folder: Path, tell: Callable[..., None], cancelled: Callable[[], bool]
    ) -> None:
        self.tell, self.cancelled = tell, cancelled
        self.previews = bool(payload.get("previews", True))
        self.picture = folder / payload["request"]["image"]["path"]
        near = payload["request"].get("change_map")
        self.change_map = folder / near["path"] if isinstance(near, Mapping) and near.get("path") else None
        self.last = time.monotonic() - PREVIEW_GAP
        self.spent = 0.0
        self.began = time.monotonic()
        self._ground: Any = None

    def __call__(self, progress: Any) -> bool | None:
        """Report a step; False stops."""
        if self.cancelled():
            return False
        stage = str(getattr(progress, "stage", "sample") or "sample")
        self.tell("progress", stage=stage, step=progress.step, steps=progress.steps, sample=progress.samples[0])
        now = time.monotonic()
        due = now - self.last >= PREVIEW_GAP and self.spent <= PREVIEW_SHARE * (now - self.began) + 0.05
        if self.previews and due and stage in ("sample", "") and progress.step < progress.steps:
            self._preview(progress)
        return None

    def _preview(self, progress: Any) -> None:
        from PIL import Image

        started = time.monotonic()
        ground, mask = self._base()
        preview = progress.preview()
        box, window = (0, 0, *ground.size), getattr(progress, "window", None)
        if window is not None:  # what was padded is cut off, and the part lies where it belongs
            preview = preview.crop((0, 0, *window.scaled))
            across, down = (here / there for here, there in zip(ground.size, window.original, strict=True))
            left, top, right, bottom = window.box
            box = (round(left * across), round(top * down), round(right * across), round(bottom * down))
        size = (max(1, box[2] - box[0]), max(1, box[3] - box[1]))
        shown = ground.copy()
        shown.paste(preview.resize(size, Image.Resampling.BICUBIC), box[:2])
        if mask is not None:
            shown = Image.composite(shown, ground, mask)
        buffer = io.BytesIO()
        shown.save(buffer, "JPEG", quality=80)
        self.tell("preview", jpeg=buffer.getvalue())
        self.last = time.monotonic()
        self.spent += self.last - started

    def _base(self) -> Any:
        """The source at preview size, and where it may change."""
        from PIL import Image, ImageOps

        if self._ground is None:
            with Image.open(self.picture) as image:
                ground = ImageOps.exif_transpose(image).convert("RGB")
            ground.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
            mask = None
            if self.change_map is not None:
                with Image.open(self.change_map) as strengths:
                    mask = strengths.convert("L").resize(ground.size).point(lambda value: 255 if value else 0)
            self._ground = (ground, mask)
        return self._ground
