"""A small world of its own: scenes of simple objects, their true pictures, captions and edits."""

from scumble.still_life.captions import caption, captions, vocabulary
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

__all__ = [
    "COLORS",
    "FLOORS",
    "MATERIALS",
    "SHAPES",
    "SIZES",
    "SKIES",
    "Camera",
    "Object",
    "Scene",
    "caption",
    "captions",
    "render",
    "sample_scene",
    "vocabulary",
]
