"""Settings of how an edit looks at its image: its windows, and the detail that comes back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from scumble.settings import Settings

__all__ = ["VIEW_0_1", "View", "WindowRecord"]

Side = Annotated[int, Field(ge=1, le=1_000_000)]
Place = Annotated[int, Field(ge=0, le=1_000_000)]


class View(Settings):
    """How an edit looks at its picture. The method does not know of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    window: Literal["auto", "whole", "region"] = "auto"
    """What the model sees: the whole picture, the region around the map, or whichever is scaled down less."""
    context: float | None = Field(default=None, ge=0, le=4)
    """Pixels around the region, as a share of its size; by default the most from 0.5 to 0.125 that needs no scaling."""
    work_size: int | None = Field(default=None, ge=1, le=16384)
    """Short side in pixels at which the model works; by default the side of the pictures it was trained on."""
    windows: int = Field(default=4, ge=1, le=64)
    """Most windows that are worked one after the other where the map has parts far from each other."""
    tiles: bool = False
    """Work at the picture's own size in overlapping tiles, blended at every step; takes many times longer."""
    detail: Literal["keep", "model"] = "keep"
    """Fine detail of the picture comes back where the edit follows it, or nothing but what the model makes."""
    match_border: bool = False
    """Match the colors of the edit to the picture at the map's border."""
    fade: float = Field(default=0.05, ge=0, le=1)
    """Map value up to which the result fades in; 0: it does not."""
    transparency: Literal["fill", "keep"] = "fill"
    """Transparent places that a map lets change become as opaque as the map is strong there, or stay as they are."""


VIEW_0_1 = View(window="whole", detail="model", fade=0.0, transparency="keep")
"""How version 0.1 looked at a picture; its recipes say nothing about it."""


class WindowRecord(Settings):
    """What a recipe says of one window."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    box: tuple[Place, Place, Side, Side]
    """Left, top, right and bottom in the picture."""
    scaled: tuple[Side, Side]
    """Width and height of the box at the model, without padding."""
    size: tuple[Side, Side]
    """Width and height that the model sees."""
    sigma: float = Field(default=1.0, gt=0)
    """Pixels of the picture per pixel of the model."""
    context: float | None = Field(default=None, ge=0, le=4)
    """Share of the region's size that was added around it."""
    feather: int = Field(default=0, ge=0, le=65_536)
    """Pixels over which the result fades in."""
