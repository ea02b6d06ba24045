"""What is true of a scene, as class numbers: objects from left to right, their count, floor and sky."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble_lab.world import COLORS, FLOORS, MATERIALS, SHAPES, SIZES, SKIES, Object, Scene

__all__ = [
    "OBJECT_HEADS",
    "SCENE_HEADS",
    "SLOTS",
    "attribute_loss",
    "left_to_right",
    "outputs",
    "split",
    "targets",
]

SLOTS = 3
OBJECT_HEADS: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "color": tuple(COLORS),
    "material": MATERIALS,
    "size": tuple(SIZES),
}
SCENE_HEADS: dict[str, tuple[str, ...]] = {"count": ("0", "1", "2", "3"), "floor": FLOORS, "sky": SKIES}
_ABSENT = -100  # what cross_entropy ignores


def left_to_right(scene: Scene) -> list[tuple[Object, float]]:
    """The objects and the middles of their boxes (0 to 1), from the left of the picture."""
    middles = [(left + right) / 2 for left, _, right, _ in scene.boxes()]
    return sorted(zip(scene.objects, middles, strict=True), key=lambda pair: pair[1])


def targets(scenes: Sequence[Scene]) -> dict[str, Tensor]:
    """Class numbers: object heads (B, SLOTS) with absent slots ignored, scene heads (B,), and `x` (B, SLOTS)."""
    columns: dict[str, list[object]] = {key: [] for key in (*OBJECT_HEADS, *SCENE_HEADS, "x")}
    for scene in scenes:
        order = left_to_right(scene)
        absent = SLOTS - len(order)
        for key, words in OBJECT_HEADS.items():
            columns[key].append([words.index(getattr(item, key)) for item, _ in order] + [_ABSENT] * absent)
        columns["x"].append([x for _, x in order] + [float("nan")] * absent)
        columns["count"].append(len(order))
        columns["floor"].append(FLOORS.index(scene.floor))
        columns["sky"].append(SKIES.index(scene.sky))
    return {key: torch.tensor(values) for key, values in columns.items()}


def outputs() -> tuple[int, int]:
    """How many numbers describe one object, and one scene."""
    return sum(map(len, OBJECT_HEADS.values())), sum(map(len, SCENE_HEADS.values()))


def split(objects: Tensor, scene: Tensor) -> dict[str, Tensor]:
    """Logits (B, SLOTS, n) and (B, m) by head."""
    by_object = objects.split([len(words) for words in OBJECT_HEADS.values()], dim=-1)
    by_scene = scene.split([len(words) for words in SCENE_HEADS.values()], dim=-1)
    return dict(zip((*OBJECT_HEADS, *SCENE_HEADS), (*by_object, *by_scene), strict=True))


def attribute_loss(logits: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> Tensor:
    """Mean cross entropy over all heads."""
    losses = [
        F.cross_entropy(logits[key].float().flatten(0, -2), true[key].flatten().to(logits[key].device))
        for key in (*OBJECT_HEADS, *SCENE_HEADS)
    ]
    return torch.stack(losses).mean()
