"""Inputs of a U-Net besides x and t, by diffusers' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ["as_keywords"]


def as_keywords(inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the inputs of a U-Net beside x and t as diffusers' classes name them."""
    added = {name: inputs[name] for name in ("text_embeds", "time_ids") if name in inputs}
    rest: dict[str, Any] = {name: value for name, value in inputs.items() if name not in added}
    return {**rest, "added_cond_kwargs": added} if added else rest
