"""Our additions to diffusers' folder format: default settings, and parts in a folder beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from scumble.errors import CheckpointError, InputError
from scumble.untrusted import parse_json, read_text

__all__ = ["FILE", "Defaults", "FolderSettings", "read_settings"]

FILE = "scumble.json"
"""Beside ``model_index.json``; a folder without it is an ordinary one."""

_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Defaults(BaseModel):
    """Values of method fields that users have not set."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    image_guidance_scale: float | None = Field(default=None, ge=0, le=100)


class FolderSettings(BaseModel):
    """Contents of ``scumble.json``.

    Attributes:
        defaults: Settings that the checkpoint was made for, such as 4 steps without guidance.
        parts: Part (vae, text_encoder, tokenizer) to the name of the sibling folder that holds it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    defaults: Defaults = Defaults()
    parts: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("parts")
    @classmethod
    def _siblings_only(cls, parts: Mapping[str, str]) -> Mapping[str, str]:
        for part, folder in parts.items():
            if not _FOLDER.fullmatch(folder):
                raise ValueError(f"{part} must be the name of a folder beside this one, got {folder!r}")
        return parts

    def place(self, path: Path, part: str) -> Path:
        """Return the folder of ``part`` for the model folder ``path``."""
        sibling = self.parts.get(part)
        return path / part if sibling is None else path.resolve().parent / sibling / part

    @property
    def values(self) -> dict[str, Any]:
        """The defaults that are set, by field name."""
        return self.defaults.model_dump(exclude_none=True)


def read_settings(path: Path, name: str) -> FolderSettings:
    """Read the settings of the model folder ``path``.

    Raises:
        CheckpointError: If the file is there and cannot be read.
    """
    try:
        content = parse_json(read_text(path / FILE, "the file"), FILE) if (path / FILE).exists() else {}
        return FolderSettings.model_validate(content)
    except (InputError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise CheckpointError(f"{name}/{FILE} cannot be read: {reason}") from error
