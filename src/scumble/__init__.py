"""Scumble: edit pictures with diffusion models; say where, how much, with what words, from which point to which."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from scumble.editing.editor import Editor as Editor
    from scumble.editing.result import Result as Result
    from scumble.errors import ScumbleError as ScumbleError
    from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion as DifferentialDiffusion
    from scumble.methods.img2img.sdedit import SDEdit as SDEdit
    from scumble.methods.img2img.text_to_image import TextToImage as TextToImage
    from scumble.records.recipe import Recipe as Recipe

_LAZY = {
    "Editor": "scumble.editing.editor",
    "Recipe": "scumble.records.recipe",
    "Result": "scumble.editing.result",
    "ScumbleError": "scumble.errors",
    "maps": "",
}


def _methods() -> dict[str, str]:
    from scumble.methods.registry import METHODS

    pairs = (where.partition(":") for where in METHODS.values())
    return {attribute: module for module, _, attribute in pairs}


def __getattr__(name: str) -> Any:
    """Import public names on first use: ``import scumble`` itself loads neither torch nor diffusers."""
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _LAZY:
        where = _LAZY[name]
        return getattr(importlib.import_module(where), name) if where else importlib.import_module(f"scumble.{name}")
    methods = _methods()
    if name in methods:
        return getattr(importlib.import_module(methods[name]), name)
    raise AttributeError(f"module 'scumble' has no attribute {name!r}; public names: {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return sorted([*_LAZY, *_methods(), "__version__"])
