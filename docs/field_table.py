"""A pydantic field as a line of a table: default, limits or choices, meaning."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "items ≥", "max_length": "items ≤"}


def cells(label: str, field: Any) -> str:
    """A label, then default, limits and meaning of a field."""
    default = "required" if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        default = f"{type(default).__name__}()"
    meaning = " ".join((field.description or "").split()).replace("``", "`")
    parts = [label, "" if default is None or default == "" else f"`{default}`", allowed(field), meaning]
    return "| " + " | ".join(part.replace("|", "\\|") for part in parts) + " |"


def allowed(field: Any) -> str:
    """The limits or the choices of a field."""
    limits = [
        f"{sign} {getattr(limit, key):g}"
        for limit in field.metadata
        for key, sign in LIMITS.items()
        if getattr(limit, key, None) is not None
    ]
    return ", ".join(limits or [f"`{choice}`" for choice in choices(field.annotation)])


def choices(annotation: Any) -> list[Any]:
    """The values of a Literal, also inside a union."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return list(parts)
    return [choice for part in parts for choice in choices(part)] if get_origin(annotation) is not tuple else []
