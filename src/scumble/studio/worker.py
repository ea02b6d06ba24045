"""What makes the pictures: the one process that loads the model. It edits, shows previews, proves, and repeats."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Maker"]

PREVIEW_SIDE = 512
PREVIEW_GAP = 0.3
"""Seconds between two previews at least; and they take at most a tenth of the time."""
PREVIEW_SHARE = 0.1
SMALL = 128
"""Models of at most this side are measured when they are loaded."""


class Maker:
    """A worker with a model.

    Args:
        model: Bundled name, folder, file or hub id; None: the bundled one.
        device: cpu, cuda, mps or None to choose.
        token: Stands in the names of temporary files.
    """

    def __init__(self, model: str | None = None, device: str | None = None, token: str = "") -> None:
        self.about: dict[str, Any] = {"device": device or ""}
        self._name, self._device, self._token = model, device, token
        self._editor: Any = None
        self._seconds_a_row: float | None = None
        self._seen: tuple[str, Any] | None = None

    # ---- the model

    def _loaded(self, tell: Callable[..., None] | None = None) -> Any:
        if self._editor is None:
            if tell is not None:
                tell("progress", stage="load", step=0, steps=1)
            from scumble.editing.editor import Editor

            self._editor = Editor.from_pretrained(self._name, device=self._device)
        return self._editor

    def ask(self, what: str, data: Any) -> Any:
        """Answer ``load``, ``count``, ``quick`` or ``redo``."""
        return getattr(self, f"answer_{what}")(**data)

    def answer_load(self) -> dict[str, Any]:
        """Load the model and say what it is; a small one is measured."""
        editor = self._loaded()
        model = editor.model
        if self._seconds_a_row is None and (model.native_size or 512) <= SMALL:
            self._measure(editor)
        parameters = sum(one.numel() for one in model.denoiser.parameters())
        return {
            "name": str(model.name),
            "device": str(model.device).split(":")[0].upper(),
            "milliseconds": None if self._seconds_a_row is None else 1000 * self._seconds_a_row,
            "takes_text": bool(model.takes_text),
            "defaults": dict(getattr(model, "defaults", {})),
            "about": f"{parameters / 1e6:.0f} million parameters, {model.native_size or '?'} px, {model.dtype}",
        }

    def _measure(self, editor: Any) -> None:
        from scumble.methods.img2img.text_to_image import TextToImage

        if not editor.model.takes_text:
            return
        for steps in (1, 4):  # the first call pays for what is set up once
            method = TextToImage(prompt="a", num_inference_steps=steps)
            cost = editor.generate(method, seed=0).cost
        self._seconds_a_row = cost.seconds / max(1, cost.forward_rows)

    # ---- an edit

    def make(
        self, payload: Mapping[str, Any], tell: Callable[..., None], cancelled: Callable[[], bool]
    ) -> Mapping[str, Any]:
        """Make one request; returns its files, its cost, and for every candidate what the page shows of it."""
        from scumble.records.request import Request
        from scumble.work.commit import temporary_path, written

        request = Request.model_validate(payload["request"])
        folder = Path(payload["folder"])
        editor = self._loaded(tell)
        tell("progress", stage="prepare", step=0, steps=0)
        picture, change_map = folder / request.image.path, payload.get("change_map")  # type: ignore[operator, union-attr]
        more = {} if change_map is None else {"change_map": str(folder / change_map)}
        method = request.build({}, **more)
        watch = _Watch(payload, folder, tell, cancelled)
        started = time.perf_counter()
        result = editor.edit(
            str(picture), method, seed=request.seed, count=request.count, on_step=watch, view=request.view
        )
        seconds = time.perf_counter() - started
        tell("progress", stage="save", step=0, steps=0)
        final = folder / payload["output"]
        temporary = temporary_path(final, self._token)
        saved = result.save(temporary)
        names = (
            [final]
            if len(saved) == 1
            else [final.with_name(f"{final.stem}-{k}{final.suffix}") for k in range(len(saved))]
        )
        files = [written(folder, one, name, None) for one, name in zip(saved, names, strict=True)]
        cost = result.cost
        rows = cost.forward_rows + cost.backward_rows
        if rows >= 4:
            self._seconds_a_row = cost.seconds / rows
        shown = [
            {**_shown(result, k, path), "seconds": round(seconds, 3), "seed": request.seed + _candidate(result, k)}  # type: ignore[operator]
            for k, path in enumerate(saved)
        ]
        return {
            "files": files,
            "model": [str(editor.model.name), str(result.recipe.model["sha256"])],
            "cost": {
                "seconds": cost.seconds,
                "forward": cost.forward_rows,
                "backward": cost.backward_rows,
                "peak": cost.peak_bytes,
            },
            "milliseconds": None if self._seconds_a_row is None else 1000 * self._seconds_a_row,
            "shown": shown,
        }

    def answer_count(self, request: dict[str, Any], folder: str, change_map: str | None) -> dict[str, Any] | None:
        """Count the rows and calls of a request; None where they depend on the picture."""
        from scumble.records.request import Request

        asked = Request.model_validate(request)
        place = Path(folder)
        picture = self._picture(str(place / asked.image.path))  # type: ignore[operator, union-attr]
        more = {} if change_map is None else {"change_map": str(place / change_map)}
        plan = self._loaded().plan(picture, asked.build({}, **more), count=asked.count, view=asked.view)
        if not plan.exact:
            return None
        return {"rows": plan.most.forward_rows + plan.most.backward_rows, "calls": plan.most.network_calls}

    def answer_quick(
        self, request: dict[str, Any], folder: str, change_map: str | None, strengths: list[float] | None, side: int
    ) -> list[bytes]:
        """Make an edit that is not kept: one JPEG for the screen, or one for each strength of the whole picture."""
        from PIL import Image

        from scumble.records.request import Request

        asked = Request.model_validate(request)
        picture = self._picture(str(Path(folder) / asked.image.path))  # type: ignore[operator, union-attr]
        near: Any = None if change_map is None else str(Path(folder) / change_map)
        shown = []
        for value in [near] if strengths is None else strengths:
            more = {} if value is None else {"change_map": value}
            result = self._loaded().edit(picture, asked.build({}, **more), seed=asked.seed, view=asked.view)
            image = result.image.convert("RGB")
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=88)
            shown.append(buffer.getvalue())
        return shown

    def _picture(self, path: str) -> Any:
        from scumble.images import load_image

        if self._seen is None or self._seen[0] != path:
            self._seen = (path, load_image(path))
        return self._seen[1]

    def answer_redo(self, path: str, picture: str | None, change_map: str | None) -> dict[str, Any]:
        """Make a result again from its recipe and compare."""
        from scumble.editing.redo import redo

        again = redo(path, image=picture, change_map=change_map, model=self._name, device=self._device)
        return {"largest": again.largest, "share": again.share, "warnings": again.warnings}


def _candidate(result: Any, k: int) -> int:
    return int(result.recipe_of(k).index)


def _shown(result: Any, k: int, path: Path) -> dict[str, Any]:
    """What the page shows of a candidate, counted on the file that was written."""
    cost = result.cost
    report = result.reports[k] if k < len(result.reports) else {}
    points = report.get("points") or ()
    image = result.images[k]
    return {
        "width": image.width,
        "height": image.height,
        "forward": cost.forward_rows,
        "backward": cost.backward_rows,
        "calls": cost.network_calls,
        "notices": list(result.notices),
        "arrival": [float(one["arrival_error"]) for one in points if "arrival_error" in one],
        "proof": _proof(result, path),
    }


def _proof(result: Any, path: Path) -> dict[str, Any] | None:
    """Count the pixels of the written file that differ from the source, where they might and where they might not."""
    import numpy as np
    from PIL import Image

    if result.source is None:
        return None
    with Image.open(path) as image:
        after = np.asarray(image.convert("RGB"), np.int16)
    before = np.asarray(result.source.rgb, np.int16)
    difference = np.abs(after - before).max(axis=2)
    free = np.ones(difference.shape, bool)
    if result.change_map is not None:
        free = result.change_map[0, 0].numpy() > 0
    inside = difference[free]
    return {
        "protected": int((~free).sum()),
        "changed": int((difference[~free] > 0).sum()),
        "free": int(free.sum()),
        "mean": float(inside.mean()) if inside.size else 0.0,
        "max": int(inside.max()) if inside.size else 0,
    }


class _Watch:
    """Progress, previews and the way to stop, called after every step."""

    def __init__(
        self, payload: Mapping[str, Any], folder: Path, tell: Callable[..., None], cancelled: Callable[[], bool]
    ) -> None:
        self.tell, self.cancelled = tell, cancelled
        self.previews = bool(payload.get("previews", True))
        self.picture = folder / payload["request"]["image"]["path"]
        self.change_map = None if payload.get("change_map") is None else folder / payload["change_map"]
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

        from scumble.images import to_image

        started = time.monotonic()
        ground, mask = self._base()
        preview = to_image(progress.preview().detach().cpu()[:1])[0].convert("RGB")
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
