"""A small world of its own: scenes of simple objects, their true pictures, captions and edits."""

from scumble_lab.world.captions import caption, captions, vocabulary
from scumble_lab.world.edits import EDITS, edit, sample_edit
from scumble_lab.world.render import render
from scumble_lab.world.scene import (
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
from scumble_lab.world.truths import Correspondence, Truths, change_mask, correspond, truths

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
