"""The recipe inside a picture: as JSON for us, and as the ``parameters`` text that other programs show."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from scumble.errors import InputError
from scumble.untrusted import parse_json, read_text

__all__ = ["KEY", "embed", "parameters_text", "read_metadata", "read_texts", "refuse_absolute_paths", "without_folders"]

KEY = "scumble"
PARAMETERS = "parameters"

_ABSOLUTE = re.compile(r"(~[\w.-]*)?/[^/\s][^/]*(/|$)|[A-Za-z]:[\\/]|\\\\[^\\]|file:", re.IGNORECASE)
_INSIDE = re.compile(r"""[\s"'=(,;](~?/[^/\s]+/[^/\s]|[A-Za-z]:[\\/]\w|\\\\\w|file:/)""", re.IGNORECASE)
_OWN_WORDS = ("prompt", "text", "word", "label", "caption")  # what users wrote may begin as it likes


def embed(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts to save with a picture: the recipe's JSON under ``scumble``, and ``parameters``.

    Raises InputError when the recipe holds an absolute path.
    """
    refuse_absolute_paths(recipe)
    return {KEY: json.dumps(recipe, ensure_ascii=False), PARAMETERS: parameters_text(recipe)}


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return the recipe of a picture, from its PNG text or from the ``.json`` beside it.

    Raises InputError when there is none, or it is damaged.
    """
    texts = read_texts(path)
    if KEY not in texts:
        raise InputError(f"{Path(path).name} carries no recipe of scumble")
    recipe = parse_json(texts[KEY], f"the recipe in {Path(path).name}")
    if not isinstance(recipe, dict):
        raise InputError(f"the recipe in {Path(path).name} is damaged: it is not an object")
    return recipe


def read_texts(path: str | Path) -> dict[str, str]:
    """Return all texts that belong to a picture: its own, and those in the ``.json`` beside it."""
    from scumble.images import sidecar_path
    from scumble.images.decode import file_texts

    texts = file_texts(path)
    sidecar = sidecar_path(path)
    if KEY not in texts and sidecar.exists():
        beside = parse_json(read_text(sidecar, "the recipe beside the picture"), sidecar.name)
        if isinstance(beside, dict):
            texts |= {str(key): value for key, value in beside.items() if isinstance(value, str)}
    return texts


def parameters_text(recipe: Mapping[str, Any]) -> str:
    """Return the recipe in the widespread form: prompt, ``Negative prompt:``, then one line of ``Name: value``.

    Reads a recipe's ``method``, ``parameters``, ``seed``, ``index``, ``size``, ``model`` and ``environment``; what it
    does not have is left out. Values with commas, colons or line breaks are quoted as JSON.
    """
    chosen = {**_part(recipe, "parameters"), **_part(recipe, "used")}
    strength, skip = chosen.get("strength"), chosen.get("skip")
    if strength is None and isinstance(skip, int | float):
        strength = round(1 - skip, 6)  # an inversion that skips steps redraws the rest
    model = _part(recipe, "model")
    lines = [str(chosen.get("prompt") or "")]
    if chosen.get("negative_prompt"):
        lines.append(f"Negative prompt: {chosen['negative_prompt']}")
    seed, size = recipe.get("seed"), recipe.get("size")
    fields = {
        "Steps": chosen.get("num_inference_steps"),
        "Sampler": chosen.get("solver") or chosen.get("sampler") or ("ddim" if skip is not None else None),
        "CFG scale": chosen.get("guidance_scale"),
        "Seed": None if seed is None else seed + (recipe.get("index") or 0),
        "Size": f"{size[0]}x{size[1]}" if size else None,
        "Denoising strength": strength,
        "Model": model.get("name"),
        "Model hash": str(model["sha256"])[:10] if model.get("sha256") else None,
        "Method": recipe.get("method"),
        "Version": f"scumble {version}" if (version := _part(recipe, "environment").get("scumble")) else None,
    }
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in fields.items() if value is not None))
    return "\n".join(lines)


def refuse_absolute_paths(value: Any, where: str = "recipe") -> None:
    """Raise InputError when a recipe holds anything like an absolute path, which would tell where a user works.

    What users wrote (prompts and other words) is not looked at.
    """
    if isinstance(value, Mapping):
        for key, one in value.items():
            refuse_absolute_paths(str(key), f"a name in {where}")
            if not _own_words(key, one):
                refuse_absolute_paths(one, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            refuse_absolute_paths(one, f"{where}.{index}")
    elif isinstance(value, str | PurePath):
        text = str(value)
        if _ABSOLUTE.match(text) or _INSIDE.search(text):
            raise InputError(f"{where} is an absolute path, which a saved picture must not carry; give only the name")


def without_folders(value: Any) -> Any:
    """Return a recipe's values with the names alone of files that are given by absolute paths.

    What users wrote (prompts and other words) stays as it is.
    """
    if isinstance(value, Mapping):
        return {key: one if _own_words(key, one) else without_folders(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(one) for one in value]
    return Path(value).name if isinstance(value, str) and value and Path(value).is_absolute() else value


def _own_words(key: Any, value: Any) -> bool:
    return any(word in str(key).lower() for word in _OWN_WORDS) and _is_words(value)


def _is_words(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value))


def _part(recipe: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = recipe.get(name)
    return part if isinstance(part, Mapping) else {}


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:\n"]', text) else text
