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
        self._live: tuple[str, Any] | None = None

    # ---- the model

    def _loaded(self, name: str | None, tell: Callable[..., None] | None = None) -> Any:
        """The editor of a model; another one than before takes its place."""
        if self._editor is None or name != self._name:
            if tell is not None:
                tell("progress", stage="load", step=0, steps=1)
            from scumble.editing.editor import Editor

            self._editor, self._live, self._seconds_a_row = None, None, None  # two models need twice the memory
            self._editor = Editor.from_pretrained(name, device=self._device)
            self._name = name
        return self._editor

    def ask(self, what: str, data: Any) -> Any:
        """Answer ``load``, ``count``, ``fan``, ``find``, ``invert`` or ``redo``."""
        return getattr(self, f"answer_{what}")(**data)

    def answer_load(self, model: str | None) -> dict[str, Any]:
        """Load a model and say what it is; a small one is measured."""
        editor = self._loaded(model)
        model = editor.model
        if self._seconds_a_row is None and (model.native_size or 512) <= SMALL:
            self._measure(editor)
        parameters = sum(one.numel() for one in model.denoiser.parameters())
        return {
            "name": str(model.name),
            "device": str(model.device).split(":")[0].upper(),
            "milliseconds": None if self._seconds_a_row is None else 1000 * self._seconds_a_row,
            "takes_text": bool(model.takes_text),
            "instructs": model.picture_channels > 0,
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
        from scumble.work.commit import temporary_path, written

        folder = Path(payload["folder"])
        if payload.get("live"):
            return {"jpeg": self._follow(payload, cancelled)}
        tell("progress", stage="prepare", step=0, steps=0)
        request = _request(payload)
        editor = self._loaded(request.model.name, tell)
        picture, method, more = _read(request, folder)
        watch = _Watch(payload, folder, tell, cancelled)
        started = time.perf_counter()
        result = editor.edit(picture, method, seed=request.seed, count=request.count, on_step=watch, **more)
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

    def answer_count(self, request: dict[str, Any], folder: str) -> dict[str, Any] | None:
        """Count the rows and calls of a request; None where they depend on the picture."""
        asked = _request({"request": request})
        path, method, more = _read(asked, Path(folder))
        plan = self._loaded(asked.model.name).plan(self._picture(path), method, count=asked.count, **more)
        if not plan.exact:
            return None
        return {"rows": plan.most.forward_rows + plan.most.backward_rows, "calls": plan.most.network_calls}

    def answer_fan(self, request: dict[str, Any], folder: str, strengths: list[float], side: int) -> list[bytes]:
        """Make the whole picture at some strengths, for the screen alone: one JPEG each."""
        asked = _request({"request": request})
        shown = []
        for value in strengths:
            path, method, more = _read(asked, Path(folder), value)
            editor = self._loaded(asked.model.name)
            shown.append(_jpeg(editor.edit(self._picture(path), method, seed=asked.seed, **more).image, side))
        return shown

    def _follow(self, payload: Mapping[str, Any], cancelled: Callable[[], bool]) -> bytes:
        """Make what the page shows while somebody paints: by one session for as long as picture and method stay."""
        from scumble.editing.session import Session

        asked = _request(payload)
        path, method, _ = _read(asked, Path(payload["folder"]))
        key = str([asked.model.name, path, asked.method, asked.seed, asked.view])
        editor = self._loaded(asked.model.name)
        if self._live is None or self._live[0] != key:
            seed = asked.seed or 0
            self._live = (key, Session(editor, self._picture(path), method, seed=seed, view=asked.view))
        session = self._live[1]
        names = session.method.model_fields_set | method.model_fields_set
        fields = {name: getattr(method, name) for name in names}
        result = session.edit(on_step=lambda progress: False if cancelled() else None, **fields)
        return _jpeg(result.image, payload["side"])

    def answer_find(self, model: str | None, path: str, word: str, caption: str) -> dict[str, Any]:
        """Look for a word's place in a picture: strengths 0 or 255 for each pixel, and their share."""
        import numpy as np

        from scumble.editing.maps_from_words import word_map

        mask = np.asarray(word_map(self._loaded(model).model, self._picture(path), word, caption).image())
        return {"strengths": mask.tobytes(), "size": mask.shape[::-1], "share": float((mask > 0).mean())}

    def answer_invert(self, request: dict[str, Any], folder: str, output: str) -> dict[str, Any]:
        """Invert a picture as the method of a request would, and keep it in a file."""
        asked = _request({"request": request})
        path, method, more = _read(asked, Path(folder))
        editor = self._loaded(asked.model.name)
        settings = _inversion_settings(method)
        area = method.change_map if asked.change_map is not None else None
        inversion = editor.invert(self._picture(path), settings, seed=asked.seed, change_map=area, view=more["view"])
        inversion.save(Path(output))
        return {
            "kind": inversion.kind,
            "steps": inversion.steps,
            "first": inversion.first,
            "error": {name: float(value) for name, value in inversion.error.items()},
        }

    def _picture(self, path: str) -> Any:
        from scumble.images import load_image

        if self._seen is None or self._seen[0] != path:
            self._seen = (path, load_image(path))
        return self._seen[1]

    def answer_redo(
        self, path: str, picture: str | None, change_map: str | None, model: str | None, inputs: list[str]
    ) -> dict[str, Any]:
        """Make a result again from its recipe and compare."""
        from scumble.editing.redo import redo

        again = redo(path, image=picture, change_map=change_map, model=model, device=self._device, inputs=inputs)
        return {"largest": again.largest, "share": again.share, "warnings": again.warnings}


def _request(payload: Mapping[str, Any]) -> Any:
    from scumble.records.request import Request

    return Request.model_validate(payload["request"])


def _read(request: Any, folder: Path, strength: float | None = None) -> tuple[str, Any, dict[str, Any]]:
    """A request's picture, its method with all files (or with one strength as its map), and how it is looked at."""
    at = {place: str(folder / one.path) for place, one in request.files.items()}
    near = getattr(request.change_map, "path", None)
    change = strength if strength is not None else None if near is None else str(folder / near)
    method = request.build(at, **({} if change is None else {"change_map": change}))
    inversion = None if request.inversion is None else str(folder / request.inversion.path)
    return str(folder / request.image.path), method, {"view": request.view, "inversion": inversion}


def _jpeg(image: Any, side: int) -> bytes:
    from PIL import Image

    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


KINDS = {"ddpm-inversion": "edit-friendly", "ledits-pp": "edit-friendly", "cycle-diffusion": "naive"}
"""How a method's inversion is made where the method has no field for it; all others walk back by ddim."""


def _inversion_settings(method: Any) -> Any:
    """The settings by which a method inverts its picture, from its fields."""
    from scumble.inversion.settings import InversionSettings

    name = method.method_name()
    given = {
        "kind": getattr(method, "trajectory", None) or KINDS.get(name, "ddim"),
        "prompt": getattr(method, "source_prompt", None),
        "num_inference_steps": method.num_inference_steps,
        "skip": getattr(method, "skip", None),
        "guidance_scale": getattr(method, "source_guidance_scale", None),
        "eta": getattr(method, "eta", None) if name in KINDS else None,
        "iterations": getattr(method, "inversion_iterations", None),
        "inversion_start": getattr(method, "inversion_start", None),
    }
    return InversionSettings(**{key: value for key, value in given.items() if value is not None})


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
