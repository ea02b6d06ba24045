"""Defaults that differ between small models and models of 256 px and more."""

from __future__ import annotations

from scumble.inversion.settings import Kind
from scumble.models.base import Model

__all__ = ["is_large_model", "default_skip"]

PHOTOGRAPH_SIDE = 256
"""Smallest side in pixels of a model that takes the settings of the papers."""


def is_large_model(model: Model) -> bool:
    """Whether a model is as large as those of the papers, and so takes their settings."""
    return model.native_size >= PHOTOGRAPH_SIDE


def default_skip(model: Model, kind: Kind) -> float:
    """Share of the steps of an inversion that is not run: 0 for ddim, else 0.36 as published or 0.2 for small models.

    Small images have few latent cells: what is still open after 36 of 100 steps is too little there to change a sky.
    """
    return 0.0 if kind == "ddim" else 0.36 if is_large_model(model) else 0.2
