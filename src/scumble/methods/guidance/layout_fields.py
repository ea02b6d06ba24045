"""Fields that say what happens to the objects that words name: where they go, and what they keep."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scumble.methods.method import Method

__all__ = ["WordWishes"]


class WordWishes(Method):
    """Fields for the layout and look of the objects that words name (arXiv 2306.00986)."""

    move: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Phrase: how far to move right and down, as shares of the image, such as {"red cube": [0.2, 0]}."""
    put: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Phrase: where its center goes, 0 to 1 from the left and from the top, such as {"cube": [0.5, 0.6]}."""
    resize: dict[str, float] = Field(default_factory=dict)
    """Phrase: factor on its width and height, such as {"cube": 1.5}."""
    about: Literal["centre", "foot"] | None = None
    """Fixed point of a resized silhouette: its foot (for standing objects) or its center. Default: the foot; the center
    for rotated objects and for compat official."""
    rotate: dict[str, float] = Field(default_factory=dict)
    """Phrase: degrees to rotate its silhouette by, counter-clockwise."""
    keep_shape: tuple[str, ...] | None = None
    """Phrases that keep their place and shape; * (the default): all that no other field names."""
    keep_look: tuple[str, ...] | None = None
    """Phrases that keep their look wherever they go; * (the default): all words."""
    by: Literal["shape", "centre"] = "shape"
    """shape: move and resize the whole silhouette; centre: only its center and size, which leaves the shape free."""
    move_weight: float = Field(default=4.0, ge=0, le=1e4)
    """Weight of the changes."""
    shape_weight: float = Field(default=1.0, ge=0, le=1e4)
    """Weight of shapes that are kept."""
    look_weight: float = Field(default=0.1, ge=0, le=1e4)
    """Weight of looks that are kept."""
    near_zero: Literal["smooth", "sharp"] = "smooth"
    """Slope of small differences: smooth fades to 0; sharp (version 0.1, and compat official) is that of large ones, so
    that rounding decides, and with it the number of candidates computed at once."""
