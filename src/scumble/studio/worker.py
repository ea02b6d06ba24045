"""What makes the pictures: the one process that loads the model. It edits, shows previews, proves, and repeats."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scumble.errors import ScumbleError
from scumble.studio.proof import candidate_of, shown
from scumble.studio.reading import inversion_settings, read, request_in
from scumble.studio.watching import Watch

__all__ = ["Maker"]

SMALL = 128
"""Models of at most this side are measured when they are loaded."""


class Maker:
    """A worker with a model.

    Args:
        model: Bundled name, folder, file or hub id; None: the bundled one.
        device: cpu, cuda, mps or None to choose.
        token: Stands in the names of temporary files.
        preview_vae: A folder with a small decoder for previews; models that it does not fit get the usual ones.
        runtime: What computes the networks; None: PyTorch.
        dtype: In what precision; None: float32.
    """

    def __init__(
        self,
        model: str | None = None,
        device: str | None = None,
        token: str = "",
        preview_vae: str | None = None,
        runtime: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.about: dict[str, Any] = {"device": device or ""}
        self._name, self._device, self._token = model, device, token
        self._first, self._preview_vae = model, preview_vae
        self._computed: dict[str, Any] = {"runtime": runtime, "dtype": dtype}
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
            editor = Editor.from_pretrained(name, device=self._device, **self._computed)
            editor.expect_many()
            if self._preview_vae is not None:
                self._use_preview(editor.model, self._preview_vae, given_for=name == self._first)
            self._editor, self._name = editor, name
        return self._editor

    @staticmethod
    def _use_preview(model: Any, folder: str, given_for: bool) -> None:
        from scumble.models.loading.preview_vae import use_preview_vae

        try:
            use_preview_vae(model, Path(folder))
        except ScumbleError:
            if given_for:
                raise

    def ask(self, what: str, data: Any) -> Any:
        """Answer ``load``, ``count``, ``fan``, ``find``, ``invert`` or ``redo``."""
        return getattr(self, f"answer_{what}")(**data)

    def answer_load(self, model: str | None) -> dict[str, Any]:
        """Load a model and say what it is; a small one is measured."""
        editor = self._loaded(model)
        network = editor.model
        if self._seconds_a_row is None and (network.native_size or 512) <= SMALL:
            self._measure(editor)
        parameters = sum(one.numel() for one in network.denoiser.parameters())
        return {
            "name": str(network.name),
            "device": str(network.device).split(":")[0].upper(),
            "milliseconds": None if self._seconds_a_row is None else 1000 * self._seconds_a_row,
            "takes_text": bool(network.takes_text),
            "instructs": network.picture_channels > 0,
            "defaults": dict(getattr(network, "defaults", {})),
            "computed": self._computed_here(network),
            "about": f"{parameters / 1e6:.0f} million parameters, {network.native_size or '?'} px, {network.dtype}",
        }

    def _computed_here(self, network: Any) -> dict[str, str]:
        """What was asked for of runtime and precision; a runtime ``auto`` by the name it was settled to."""
        given = {name: value for name, value in self._computed.items() if value is not None}
        if given.get("runtime") == "auto":
            from scumble.models.runtime.choose import settle

            given["runtime"] = settle("auto", network.device.type, None)
        return given

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
        request = request_in(payload)
        editor = self._loaded(request.model.name, tell)
        picture, method, more = read(request, folder)
        watch = Watch(payload, folder, tell, cancelled)
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
        about = [
            {**shown(result, k, path), "seconds": round(seconds, 3), "seed": request.seed + candidate_of(result, k)}
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
            "shown": about,
        }

    def answer_count(self, request: dict[str, Any], folder: str) -> dict[str, Any] | None:
        """Count the rows, calls and bytes beside the model of a request; None where they depend on the picture."""
        asked = request_in({"request": request})
        path, method, more = read(asked, Path(folder))
        plan = self._loaded(asked.model.name).plan(self._picture(path), method, count=asked.count, **more)
        if not plan.exact:
            return None
        rows = plan.most.forward_rows + plan.most.backward_rows
        return {"rows": rows, "calls": plan.most.network_calls, "bytes": plan.peak_bytes}

    def answer_fan(self, request: dict[str, Any], folder: str, strengths: list[float], side: int) -> list[bytes]:
        """Make the whole picture at some strengths, for the screen alone: one JPEG each."""
        asked = request_in({"request": request})
        pictures = []
        for value in strengths:
            path, method, more = read(asked, Path(folder), value)
            editor = self._loaded(asked.model.name)
            image = editor.edit(self._picture(path), method, seed=asked.seed, **more).image
            pictures.append(_jpeg(image, side))
        return pictures

    def _follow(self, payload: Mapping[str, Any], cancelled: Callable[[], bool]) -> bytes:
        """Make what the page shows while somebody paints: by one session for as long as picture and method stay."""
        from scumble.editing.session import Session

        asked = request_in(payload)
        path, method, _ = read(asked, Path(payload["folder"]))
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
        asked = request_in({"request": request})
        path, method, more = read(asked, Path(folder))
        editor = self._loaded(asked.model.name)
        settings = inversion_settings(method)
        area = method.change_map if asked.change_map is not None else None
        inversion = editor.invert(self._picture(path), settings, seed=asked.seed, change_map=area, view=more["view"])
        inversion.save(Path(output))
        return {
            "kind": inversion.kind,
            "steps": inversion.steps,
            "first": inversion.first,
            "sha256": inversion.sha256,
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


def _jpeg(image: Any, side: int) -> bytes:
    from PIL import Image

    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
