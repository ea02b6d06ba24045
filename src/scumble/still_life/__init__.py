"""A small world of its own: scenes of simple objects, their true pictures, captions and edits."""

from scumble.still_life.captions import caption, captions, vocabulary
from scumble.still_life.edits import EDITS, edit, sample_edit
from scumble.still_life.render import render
from scumble.still_life.scene import (
    COLORS,
    FLOORS,
    MATERIALS,
    SHAPES,
    SIZES,
    SKIES,
    Camera,
    Object,
    Scene,
    sample_scene,
)
from scumble.still_life.truths import Correspondence, Truths, change_mask, correspond, truths

__all__ = [
    "COLORS",
    "EDITS",
    "FLOORS",
    "MATERIALS",
    "SHAPES",
    "SIZES",
    "SKIES",
    "Camera",
    "Correspondence",
    "Object",
    "Scene",
    "Truths",
    "caption",
    "captions",
    "change_mask",
    "correspond",
    "edit",
    "render",
    "sample_edit",
    "sample_scene",
    "truths",
    "vocabulary",
]
