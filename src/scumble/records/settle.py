"""Settle lines as users write them into requests with all that decides the image."""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from scumble.errors import InputError, ScumbleError, nearest
from scumble.file_field import NamedFile, named_files
from scumble.methods.base import ImageMethod
from scumble.methods.method import Method
from scumble.methods.registry import method_class
from scumble.records.build import build_method
from scumble.records.file_ref import FileRef
from scumble.records.list_lines import Line
from scumble.records.model_spec import ModelSpec
from scumble.records.problems import Problem
from scumble.records.request import Request
from scumble.records.view import View
from scumble.records.wishes import Settled, Wishes
from scumble.settings import explained

__all__ = ["is_recipe", "settle"]

FILES = ("image", "change_map", "inversion")
TEXT = ("image", "inversion", "model", "id", "output", "method", "window", "detail")
"""Fields besides the method's whose cells in a table are text."""
ASIDE = ("parameters", "defaults", "files", "labels", "format")
FLAT = tuple(name for name in ModelSpec.model_fields if name not in ("name", "adapters", "embeddings", "settled"))
"""A model's settings that may stand beside a request's other fields."""
MODEL_FILES = ("vae", "control", "control_image", "ip_adapter", "ip_image")
MODEL_KINDS = {f"model.{name}": "image" if name.endswith("image") else "model" for name in MODEL_FILES}
AUTO = "auto"
"""What a source prompt says that is to be found by looking at the picture."""
END = 300
"""Characters of a problem at its beginning, and at its end."""
NEAR = 10_000
"""In larger folders no file of a similar name is looked for."""


def settle(lines: Sequence[Line], wishes: Wishes) -> list[Settled]:
    """Settle every line by itself; what is wrong with one does not keep the others from being checked."""
    return [_settled(line, wishes) for line in lines]


def _settled(line: Line, wishes: Wishes) -> Settled:
    try:
        if is_recipe(line):
            from scumble.records.recipe_request import request_of_recipe

            request, at = request_of_recipe(line, wishes)
            return Settled(line, request, at)
        written = _nested(line.fields)
        overridden = any(name in written and written[name] != value for name, value in wishes.sets.items())
        request, at = _request(line, written, wishes)
        return Settled(line, _described(request, at, wishes), at, overridden=overridden)
    except _Several as error:
        return Settled(line, None, problems=tuple(_problem(line, text) for text in error.texts))
    except ScumbleError as error:
        return Settled(line, None, problems=(_problem(line, str(error)),))


def _problem(line: Line, text: str) -> Problem:
    """What is wrong with a line, on one line; of a long one, which holds what was written, without its middle."""
    text = " ".join(text.split())
    return Problem(line.source, line.number, text if len(text) <= 2 * END else f"{text[:END]} … {text[-END:]}")


def _described(request: Request, at: Mapping[str, str], wishes: Wishes) -> Request:
    """The request with a caption in place of ``source_prompt: auto``."""
    if request.parameters.get("source_prompt") != AUTO:
        return request
    if wishes.describe is None or "image" not in at:
        raise InputError("source_prompt auto describes a picture on the command line: give one, or say what it shows")
    caption = wishes.describe(at["image"], request.model.name)
    return request.model_copy(update={"parameters": {**request.parameters, "source_prompt": caption}})


class _Several(Exception):
    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)


def is_recipe(line: Line) -> bool:
    """Whether a line is a finished picture's recipe, or such a picture."""
    return line.recipe is not None or {"method", "parameters", "size"} <= set(line.fields)


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a request that was written with its parameters in a block."""
    inner = fields.get("parameters")
    if not isinstance(inner, Mapping):
        return dict(fields)
    outer = {name: value for name, value in fields.items() if name not in ("parameters", "defaults", "format")}
    return {**inner, **outer}


def _request(line: Line, written: Mapping[str, Any], wishes: Wishes) -> tuple[Request, dict[str, str]]:
    name = _method_name(written, wishes)
    kind: Any = method_class(name)
    canonical = kind.method_name()
    known = [*Request.model_fields, *kind.model_fields, *View.model_fields, *FLAT, "lora", "textual_inversion"]
    shared = _applied_defaults(wishes, canonical, known)
    if line.cells:
        written = {key: _cell(key, text, kind) for key, text in written.items()}
    fields = {**shared, **wishes.flags, **written, **wishes.sets, "method": canonical}
    labels = {key[6:]: str(fields.pop(key)) for key in list(fields) if key.startswith("label.")}
    model, view = _model(fields), _view(fields, kind)
    outside = {key: fields.pop(key) for key in list(fields) if key in Request.model_fields and key not in ASIDE}
    more = {key: _block(key, fields.pop(key)) for key in ("labels", "files") if key in fields}
    unknown = [key for key in fields if key not in kind.model_fields]
    if unknown:
        raise _Several([f"unknown field {key!r}{nearest(key, known)}" for key in unknown])
    method = build_method(canonical, fields)
    files = list(named_files(method))
    body = _without(method, files)
    also, more_files = _also(outside.pop("also", ()))
    try:
        request = Request.model_validate(
            {
                **{key: value for key, value in outside.items() if value is not None},
                "model": model,
                "view": view,
                "parameters": {name: value for name, value in body.items() if name in method.model_fields_set},
                "defaults": {name: value for name, value in body.items() if name not in method.model_fields_set},
                "also": also,
                "files": {one.place: FileRef(path=one.path) for one in [*files, *more_files]} | more.get("files", {}),
                "labels": {**more.get("labels", {}), **labels},
            }
        )
    except ValidationError as error:
        raise InputError(explained(error, known)) from error
    _fitting(request, method)
    return request, _located(request, line, [*files, *more_files], wishes.within)


def _method_name(written: Mapping[str, Any], wishes: Wishes) -> str:
    for source in (wishes.sets, written, wishes.flags, wishes.defaults):
        if source.get("method"):
            return str(source["method"])
    has_picture = any(source.get(key) for source in (written, wishes.flags, wishes.defaults) for key in FILES[::2])
    return "differential-diffusion" if has_picture else "text-to-image"


def _applied_defaults(wishes: Wishes, method: str, known: Sequence[str]) -> dict[str, Any]:
    """The header's defaults for a method: the general ones, then those of its block."""
    general, block = {}, dict[str, Any]()
    for name, value in wishes.defaults.items():
        if isinstance(value, Mapping) and name not in known:
            if _canonical(name) == method:
                block = dict(value)
        else:
            general[name] = value
    unknown = [name for name in {**general, **block} if name not in known and not name.startswith("label.")]
    if unknown:
        raise InputError(
            f"the default {unknown[0]!r} is no field of {method}{nearest(unknown[0], known)};"
            " what is for one method only belongs into a block of its name"
        )
    return {**general, **block}


def _canonical(name: str) -> str:
    kind: Any = method_class(name)
    return str(kind.method_name())


def _cell(name: str, text: str, kind: type[Method]) -> Any:
    """A table's cell by the type of its field: text as it is, all else as JSON."""
    if name.startswith("label.") or _takes_text(name, kind):
        return "" if text == '""' else text
    if text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    try:
        return json.loads(text)
    except ValueError as error:
        if name == "change_map":
            return text
        raise InputError(f"{name}: {text!r} is no JSON ({error})") from error


def _takes_text(name: str, kind: type[Method]) -> bool:
    if name in TEXT or name in FLAT:
        return name not in ("clip_skip", "control_scale", "ip_scale")
    declared = kind.model_fields.get(name)
    if declared is None:
        return name not in Request.model_fields
    options = get_args(declared.annotation) or (declared.annotation,)
    plain = [one for one in options if one is not type(None)]
    return all(one is str or isinstance(one, str) for one in plain)


def _model(fields: dict[str, Any]) -> Any:
    """The model and what is put on it: in a block ``model``, or flat, under the names that the flags have."""
    model = fields.pop("model", None)
    flat = {name: fields.pop(name) for name in (*FLAT, "lora", "textual_inversion") if name in fields}
    several = {name: flat.pop(name) for name in ("lora", "textual_inversion") if flat.get(name) is not None}
    if "lora" in several:
        from scumble.models.add_ons import Lora

        given = _as_list(several["lora"])
        if not all(isinstance(one, str) for one in given):
            raise InputError(f"lora must be FILE or FILE:WEIGHT, or a list of these, got {several['lora']!r}")
        loras = [Lora.read(one) for one in given]
        flat["adapters"] = [{"file": {"path": str(one.file)}, "weight": one.weight} for one in loras]
    if "textual_inversion" in several:
        flat["embeddings"] = _as_list(several["textual_inversion"])
    flat = {name: _file_refs(name, value) for name, value in flat.items() if value is not None}
    model = {"name": model} if isinstance(model, str) else _block("model", model, "a name or an object")
    return {**{name: _file_refs(name, value) for name, value in model.items()}, **flat}


def _block(name: str, given: Any, what: str = "an object") -> dict[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"{name} must be {what}, got {given!r:.60}")
    return dict(given or {})


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _file_refs(name: str, value: Any) -> Any:
    """A model's file by its path alone, as everywhere else."""
    if name in MODEL_FILES and isinstance(value, str):
        return {"path": value}
    if name == "embeddings":
        return [{"path": one} if isinstance(one, str) else one for one in _as_list(value)]
    return value


def _view(fields: dict[str, Any], kind: type[Method]) -> dict[str, Any]:
    """What was said of the view: in a block ``view``, or flat where the method has no field of that name."""
    block = fields.pop("view", None)
    flat = {
        name: fields.pop(name) for name in list(fields) if name in View.model_fields and name not in kind.model_fields
    }
    return {**(dict(block) if isinstance(block, Mapping) else {}), **flat}


def _also(given: Any) -> tuple[list[dict[str, Any]], list[NamedFile]]:
    from scumble.methods.extras.parse import from_recipe, parse_also

    dumped, files = [], list[NamedFile]()
    for k, one in enumerate(given if isinstance(given, list | tuple) else [given]):
        extra = parse_also(one) if isinstance(one, str) else from_recipe(one)
        named = list(named_files(extra, f"also.{k}."))
        files += named
        body = extra.model_dump(mode="json")
        for file in named:
            _blank(body, file.place.split(".")[2:])
        dumped.append({"kind": extra.kind, **body})
    return dumped, files


def _without(method: Method, files: Sequence[NamedFile]) -> dict[str, Any]:
    """All parameters but files, which stand in ``files``."""
    body = method.model_dump(mode="json")
    for one in files:
        _blank(body, one.place.split("."))
    return body


def _blank(body: Any, keys: Sequence[str]) -> None:
    for key in keys[:-1]:
        body = body[int(key)] if isinstance(body, list) else body.get(key, {})
    if isinstance(body, list):
        body[int(keys[-1])] = ""
    elif keys[-1] in body:
        body[keys[-1]] = None


def _fitting(request: Request, method: Method) -> None:
    name = request.method
    if request.image is None and request.inversion is None and method.takes_image and not method.image_optional:
        raise InputError(f"{name} edits a picture: give image")
    if request.image is not None and not method.takes_image:
        raise InputError(f"{name} makes pictures from nothing and takes no image")
    if request.change_map is not None and not isinstance(method, ImageMethod):
        raise InputError(f"{name} takes no change_map")
    if request.inversion is not None and not method.takes_inversion:
        raise InputError(f"{name} does not start from an inversion")


def _located(request: Request, line: Line, named: Sequence[NamedFile], within: str | None) -> dict[str, str]:
    """Absolute path of each file, after a look at it: it exists, is a regular file, and begins like what it is to be.

    Raises _Several with everything that is wrong.
    """
    from scumble.records.file_ref import file_refs

    kinds = {f"files.{one.place}": one.kind for one in named} | {"image": "image", "change_map": "map"} | MODEL_KINDS
    at, texts = dict[str, str](), []
    for place, ref in file_refs(request):
        if ref.path is None:
            texts.append(f"{place}: a file needs its path")
            continue
        path = Path(line.base) / ref.path
        at[place] = str(path)
        problem = _problem_of(path, ref.path, kinds.get(place), within)
        if problem is not None:
            texts.append(f"{place.removeprefix('files.')}: {problem}")
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have is that of another model
        if request.model.name is not None and (path := Path(line.base) / request.model.name).exists():
            at["model.name"] = str(path)
    if texts:
        raise _Several(texts)
    return at


def _problem_of(path: Path, written: str, kind: str | None, within: str | None) -> str | None:
    if "://" in written:
        return f"{written!r} is an address: only local files are read"
    if within is not None and not path.resolve().is_relative_to(Path(within).resolve()):
        return f"{written!r} is outside of {within}"
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return f"{written!r} does not exist{_near(path)}"
    if stat.S_ISDIR(mode) and kind not in ("model",):
        return f"{written!r} is a folder"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return f"{written!r} is no regular file"
    if kind in ("image", "map"):
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(path):  # reads the header alone
                pass
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return f"{written!r} is no picture that can be read"
    return None


def _near(path: Path) -> str:
    """`` (nearest: 'm/0017.png')``, where the folder is small enough to look."""
    try:
        names = []
        for k, one in enumerate(path.parent.iterdir()):
            if k > NEAR:
                return ""
            names.append(one.name)
    except OSError:
        return f" (its folder {path.parent.name!r} does not either)"
    return nearest(path.name, names, count=1)
