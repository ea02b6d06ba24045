"""Settings of an inversion: one definition for methods, the editor, the command line and files."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from scumble.errors import InputError
from scumble.settings import Settings

__all__ = ["InversionSettings", "InversionStart", "Kind", "NoisySolver", "first_step"]

Kind = Literal["edit-friendly", "naive", "ddim"]
NoisySolver = Literal["ddim", "dpmpp_2m_sde"]
InversionStart = Literal["warm", "same"]


def first_step(skip: float, steps: int) -> int:
    """Index of the first step of a run that skips a share of its steps: ``round(skip N)``.

    Raises:
        InputError: If the share is not in [0, 1].
    """
    if not 0 <= skip <= 1:
        hint = f"; {skip:g} of {steps} steps is {skip / steps:g}" if 1 < skip <= steps else ""
        raise InputError(f"skip is the share of the steps that is not run, 0 to 1, got {skip:g}{hint}")
    return round(skip * steps)


class InversionSettings(Settings):
    """How to invert a picture. None stands for the default, or for the value of an inversion that is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    kind: Kind | None = None
    """edit-friendly (the default) keeps the image's structure in the noise; ddim is deterministic; naive is there to
    compare."""
    prompt: str | None = None
    """What the image shows; may be left empty."""
    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    """Steps N of a full run; 50 by default."""
    skip: float | None = None
    """Share of the steps that is not inverted: larger stays closer to the image. By default 0 for ddim, else 0.2, or
    0.36 for models of 256 px and more."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Guidance while inverting; 1, the default, costs half and is usually best."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps, above 0; 1 by default. ddim has none."""
    solver: NoisySolver | None = None
    """edit-friendly: the rule of the steps; ddim by default. dpmpp_2m_sde is of second order."""
    iterations: int = Field(default=1, ge=1, le=1000)
    """ddim: largest number of fixed-point iterations per level; they stop early where they no longer converge."""
    tolerance: float = Field(default=1e-4, ge=0)
    """ddim: iterations stop when no element of the latent changes by more than this."""
    inversion_start: InversionStart = "warm"
    """ddim: where a level's x is looked for first: where the last prediction leads (warm, much more exact for the same
    cost), or at the level before (same), as published."""
    offsets: bool = False
    """ddim: also store what each step misses of the path (direct inversion)."""
    chunk: int | None = Field(default=None, ge=1, le=1024)
    """Noise levels per network call; chosen by free memory by default."""
    mode: Literal["parallel", "sequential"] = "parallel"
    """sequential evaluates one level after the other, in the published order."""
    compat: Literal["official"] | None = None
    """official: reproduce the published code, quirks included."""
