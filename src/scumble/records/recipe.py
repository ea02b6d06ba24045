"""The recipe: everything that is needed to make a picture again, as plain JSON inside the picture."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scumble.errors import InputError, first_problem
from scumble.methods.base import Method
from scumble.methods.registry import method_class

__all__ = ["Recipe", "versions"]

FORMAT = 1


def versions() -> dict[str, str]:
    """Versions of what decides about the numbers."""
    names = ("scumble", "torch", "diffusers", "transformers")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


class Recipe(BaseModel):
    """What made one picture. It holds hashes and names, never an absolute path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    """Version of this layout."""
    method: str
    """Method name."""
    parameters: dict[str, Any]
    """Every parameter of the method."""
    seed: int
    """Seed of the first candidate; candidate k has seed + k."""
    count: int = 1
    """How many candidates were made."""
    batch_size: int = 1
    """How many were made at once (the last bits of floating point depend on it)."""
    index: int = 0
    """Which candidate this picture is."""
    size: tuple[int, int]
    """Width and height of the picture."""
    input: dict[str, str] | None = None
    """``name`` and ``sha256`` of the edited picture's pixels."""
    change_map: dict[str, str] | None = None
    """``name`` (when it was a file) and ``sha256`` of the change map as strengths."""
    inversion: dict[str, str] | None = None
    """``name`` and ``sha256`` of the inversion file."""
    also: list[dict[str, Any]] = Field(default_factory=list)
    """What acted besides the method: its ``kind`` and fields."""
    model: dict[str, str]
    """``name`` and ``sha256`` of the denoising network's weights."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Device type, dtype and versions."""
    report: dict[str, Any] = Field(default_factory=dict)
    """What the method reported about this picture."""

    def build(self, **more: object) -> Method:
        """Return the method object with this recipe's parameters (and ``more``, such as the change map).

        Raises:
            InputError: If a parameter does not fit this version's method.
        """
        try:
            built: Method = method_class(self.method)(**{**self.parameters, **more})
        except ValidationError as error:
            where, reason = first_problem(error)
            raise InputError(f"the recipe's parameter {where} does not fit {self.method}: {reason}") from error
        return built
