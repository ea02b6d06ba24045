"""Settings that models of photographs and small models want differently: which ones are meant by leaving them out."""

from __future__ import annotations

from scumble.inversion.settings import Kind
from scumble.models.base import Model

__all__ = ["is_large_model", "default_skip"]

PHOTOGRAPH_SIDE = 256
"""Pixels of a side from which on a model is one of photographs, as those of the papers are."""


def is_large_model(model: Model) -> bool:
    """Whether a model is as large as those of the papers, and so takes their settings."""
    return model.native_size >= PHOTOGRAPH_SIDE


def default_skip(model: Model, kind: Kind) -> float:
    """Share of the steps of an inversion that is not run: 0 for ddim, else 0.36 as published or 0.2 for small models.

    Small pictures leave few cells to words: what 36 of 100 steps leave undecided there is too little to change a sky.
    """
    return 0.0 if kind == "ddim" else 0.36 if is_large_model(model) else 0.2
