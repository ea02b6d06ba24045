"""What needs the engine but no network: forms, checks, command lines, maps, warps. Runs in a process of its own."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scumble.errors import InputError, ScumbleError
from scumble.studio.command import command_line, python_code, read_command
from scumble.studio.form import describe, file_fields

__all__ = ["Desk"]

WARP_SIDE = 512
"""Longest side of the picture that is pulled under the finger."""


class Desk:
    """A worker that answers questions and never loads a network.

    Args:
        flags: Module of the command line that knows how a field is spelled and what a fault is called.
        scenes: ``module:function`` that renders a picture of the bundled world into a folder.
        token: As every worker gets; no files are written here.
    """

    def __init__(self, flags: str, scenes: str, token: str = "") -> None:
        self.about: dict[str, Any] = {}
        self._flags, self._scenes = flags, scenes
        self._pictures: dict[tuple[str, int], Any] = {}

    def make(self, payload: Mapping[str, Any], tell: Any, cancelled: Any) -> Mapping[str, Any]:
        """The desk makes no pictures."""
        raise InputError("the desk makes no pictures")

    def ask(self, what: str, data: Any) -> Any:
        """Answer a question by the method of its name."""
        return getattr(self, f"answer_{what}")(**data)

    # ---- methods

    def answer_methods(self) -> list[dict[str, Any]]:
        """Descriptions of all methods that edit a picture, ordered by task."""
        from scumble.methods.registry import METHODS, method_class
        from scumble.studio.form import ORDER

        made = [
            describe(kind, name)
            for name in METHODS
            if (kind := _class(method_class, name)) is not None and kind.takes_image
        ]
        return sorted(made, key=lambda one: ORDER.index(one["task"]) if one["task"] in ORDER else len(ORDER))

    def answer_check(
        self,
        method: str,
        parameters: dict[str, Any],
        points: list[list[float]],
        picture: str,
        change_map: str | None,
        seed: int,
        count: int,
        output: str,
        model: str | None,
    ) -> dict[str, Any]:
        """Check an edit: faults by field in the words of the command line, and the equal command line and Python."""
        from scumble.methods.registry import method_class

        flags = importlib.import_module(self._flags)
        kind: Any = method_class(method)
        given = _settled(kind, parameters, points)
        faults = _faults(kind, given, flags.build_method)
        built = None
        if not faults:
            built = kind(**given)
        spelled = {name: spellings[0] for name, spellings in flags.SHORT.items()}
        changed = {name: value for name, value in given.items() if not _is_default(kind, name, value)}
        where = {"picture": picture, "change_map": change_map, "seed": seed, "count": count}
        command = command_line(method, changed, spelled, **where, output=output, model=model)
        return {
            "faults": faults,
            "command": command,
            "python": python_code(kind.__name__, changed, **where),
            "parameters": None if built is None else built.model_dump(mode="json", exclude={"change_map"}),
            "steps": getattr(built, "num_inference_steps", None),
            "strength": getattr(built, "strength", 1.0),
        }

    def answer_command(self, text: str) -> dict[str, Any]:
        """Read a pasted command line."""
        from scumble.methods.registry import method_class

        read = read_command(text, method_class, importlib.import_module(self._flags).SHORT)
        kind: Any = method_class(read["method"])
        names = set(read["parameters"]) & file_fields(kind.model_fields)
        if names:
            raise InputError(f"the page opens no files by name: leave out {', '.join(sorted(names))}")
        return {**read, "method": kind.method_name()}

    # ---- pictures and maps

    def answer_pixels(self, path: str) -> str:
        """The hash by which recipes name a picture."""
        from scumble.images import load_image

        return str(load_image(path).sha256)

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
            return {"png": path.read_bytes(), "name": "still-life.png"}

    def answer_warp(self, path: str, change_map: str | None, points: list[list[float]]) -> dict[str, Any]:
        """The picture pulled along the points as ``warp-drag`` would, at screen size; no network is evaluated."""
        from PIL import Image

        from scumble.images import Fit, load_map, to_image, to_tensor
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
            place=Fit(image.size, image.size, image.size),
        )
        warped = WarpDrag(points=tuple(tuple(pair) for pair in scaled), preview=True).warped(batch)  # type: ignore[arg-type]
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


def _class(method_class: Any, name: str) -> Any:
    try:
        return method_class(name)
    except ImportError:  # an extra that is not installed
        return None


def _settled(kind: Any, parameters: Mapping[str, Any], points: list[list[float]]) -> dict[str, Any]:
    """Values as the method takes them: whole numbers of decimal fields as such, points where they belong."""
    hidden = file_fields(kind.model_fields)
    refused = sorted(set(parameters) & hidden)
    if refused:
        raise InputError(f"the page may not set {', '.join(refused)}")
    given = {
        name: float(value)
        if isinstance(value, int) and not isinstance(value, bool) and _is_float(kind.model_fields.get(name))
        else value
        for name, value in parameters.items()
    }
    if "points" in kind.model_fields:
        given["points"] = [tuple(pair) for pair in points]
    return given


def _is_float(field: Any) -> bool:
    return (
        field is not None
        and "float" in str(field.annotation)
        and "int" not in str(field.annotation).replace("points", "")
    )


def _faults(kind: Any, given: dict[str, Any], build_method: Callable[..., Any]) -> list[dict[str, str]]:
    """Every fault with the very sentence of the command line."""
    from pydantic import ValidationError

    try:
        kind(**given)
    except ValidationError as error:
        names = dict.fromkeys(str(one["loc"][0]) if one["loc"] else "" for one in error.errors())
    else:
        return []
    faults = []
    for name in names:
        part = {name: given[name]} if name in given else given
        try:
            build_method(kind, part)
            build_method(kind, given)
        except ScumbleError as error:
            faults.append({"field": name, "message": str(error)})
    return faults


def _is_default(kind: Any, name: str, value: Any) -> bool:
    field = kind.model_fields.get(name)
    if field is None:
        return False
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple) and isinstance(value, list):
        value = tuple(tuple(one) if isinstance(one, list) else one for one in value)
    return bool(default == value)


def _hatched(image: Any, uncovered: Any) -> Any:
    """Hatch what the pull uncovered: it will be redrawn."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image.convert("RGB")).copy()
    bare = uncovered.cpu().numpy().astype(bool)
    rows, columns = np.indices(bare.shape)
    stripes = bare & ((rows + columns) % 8 < 3)
    pixels[bare] = (pixels[bare] * 0.55 + np.array([24, 199, 176]) * 0.2).astype(np.uint8)
    pixels[stripes] = (pixels[stripes] * 0.5).astype(np.uint8)
    return Image.fromarray(pixels)
