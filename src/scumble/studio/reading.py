"""A request as the maker reads it: picture, method with all files, and how the method inverts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["inversion_settings", "read", "request_in"]


def request_in(payload: Mapping[str, Any]) -> Any:
    """The request of a payload."""
    from scumble.records.request import Request

    return Request.model_validate(payload["request"])


def read(request: Any, folder: Path, strength: float | None = None) -> tuple[str, Any, dict[str, Any]]:
    """A request's picture, its method with all files (or with one strength as its map), and how it is looked at."""
    at = {place: str(folder / one.path) for place, one in request.files.items()}
    near = getattr(request.change_map, "path", None)
    change = strength if strength is not None else None if near is None else str(folder / near)
    method = request.build(at, **({} if change is None else {"change_map": change}))
    inversion = None if request.inversion is None else str(folder / request.inversion.path)
    return str(folder / request.image.path), method, {"view": request.view, "inversion": inversion}


KINDS = {"ddpm-inversion": "edit-friendly", "ledits": "edit-friendly", "cycle-diffusion": "naive"}
"""How a method's inversion is made where the method has no field for it; all others walk back by ddim."""


def inversion_settings(method: Any) -> Any:
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
