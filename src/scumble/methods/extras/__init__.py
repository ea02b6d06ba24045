"""Extra guidance on top of a method: objectives about words, colors and layouts, and your own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scumble.methods.extras.asyrp_shift import AsyrpShift
    from scumble.methods.extras.attention_targets import AttendAndExcite, LayoutTarget
    from scumble.methods.extras.extra import Extra
    from scumble.methods.extras.extras import CustomEnergy
    from scumble.methods.extras.image_targets import ClipTarget, ColorTarget
else:
    from scumble.lazy import lazy_names

    _NAMES = ("AsyrpShift", "AttendAndExcite", "ClipTarget", "ColorTarget", "CustomEnergy", "Extra", "LayoutTarget")
    __getattr__, __dir__ = lazy_names(__name__, {name: f"{__name__}.extras:{name}" for name in _NAMES})

__all__ = [
    "AsyrpShift",
    "AttendAndExcite",
    "ClipTarget",
    "ColorTarget",
    "CustomEnergy",
    "Extra",
    "LayoutTarget",
]
