"""Reads a still-life picture: how many objects, what each is from left to right, which floor, which sky."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from scumble.errors import CheckpointError
from scumble_lab.bench.attributes import OBJECT_HEADS, SCENE_HEADS, SLOTS, outputs, split

__all__ = ["AttributeNet", "Classifier", "ReadObject", "Reading", "load_classifier"]

BUNDLED = Path(__file__).resolve().parents[2] / "scumble" / "bundled" / "classifier"


class _Block(nn.Module):
    """Two 3x3 convolutions round which the input goes unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, channels), nn.GroupNorm(8, channels)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class AttributeNet(nn.Module):
    """A small convolutional network with one attention map per object, the objects ordered from the left.

    `forward` takes pictures (B, 3, H, W) in [-1, 1] and gives logits by head, (B, SLOTS, n) for objects
    and (B, n) for the scene, and `x` (B, SLOTS): where each object's attention lies, 0 left to 1 right.
    """

    def __init__(self, channels: Sequence[int], picture: int) -> None:
        super().__init__()
        self.channels, self.picture = tuple(channels), picture
        layers: list[nn.Module] = [nn.Conv2d(5, channels[0], 3, padding=1)]
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), _Block(after)]
        width = channels[-1]
        self.trunk = nn.Sequential(*layers, _Block(width), _Block(width))
        self.maps = nn.Conv2d(width, SLOTS, 1)
        per_object, per_scene = outputs()
        self.object_head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, per_object))
        self.scene_head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, per_scene))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """See the class."""
        height, width = pictures.shape[-2:]
        down = torch.linspace(-1, 1, height, device=pictures.device).view(1, 1, -1, 1)
        right = torch.linspace(-1, 1, width, device=pictures.device).view(1, 1, 1, -1)
        places = torch.cat([down.expand(1, 1, height, width), right.expand(1, 1, height, width)], 1)
        features = self.trunk(torch.cat([pictures, places.expand(len(pictures), -1, -1, -1)], 1))
        maps = self.maps(features).float().flatten(2).softmax(-1)  # (B, SLOTS, h * w)
        flat = features.flatten(2)
        objects = self.object_head(torch.einsum("bsp,bcp->bsc", maps.to(flat.dtype), flat))
        scene = self.scene_head(flat.mean(-1))
        columns = features.shape[-1]
        middles = (torch.arange(columns, device=pictures.device) + 0.5) / columns
        x = torch.einsum("bshw,w->bs", maps.unflatten(2, features.shape[-2:]), middles)
        return {**split(objects, scene), "x": x}


@dataclass(frozen=True, slots=True)
class ReadObject:
    """One object as it was read: the words, how sure, and where its middle is (0 left to 1 right)."""

    shape: str
    color: str
    material: str
    size: str
    x: float
    probabilities: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the classifier sees in one picture; the objects from left to right."""

    objects: tuple[ReadObject, ...]
    floor: str
    sky: str
    probabilities: dict[str, dict[str, float]]


class Classifier:
    """Calls the network on pictures and puts its answers into words."""

    def __init__(self, net: AttributeNet) -> None:
        self.net = net.eval()

    @torch.no_grad()
    def logits(self, pictures: Tensor) -> dict[str, Tensor]:
        """As `AttributeNet`, for pictures of any size: uint8, or floats in [-1, 1]."""
        x = pictures.float().div(127.5).sub(1) if pictures.dtype == torch.uint8 else pictures.float()
        device = next(self.net.parameters()).device
        side = self.net.picture
        if x.shape[-2:] != (side, side):
            x = F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)
        parts = [self.net(part.to(device)) for part in x.split(64)]
        return {key: torch.cat([part[key] for part in parts]).cpu() for key in parts[0]}

    def __call__(self, pictures: Tensor) -> list[Reading]:
        """Read pictures (B, 3, H, W), uint8 or floats in [-1, 1]."""
        logits = self.logits(pictures)
        chances = {key: value.softmax(-1).tolist() for key, value in logits.items() if key != "x"}
        readings = []
        for i in range(len(pictures)):
            scene = {key: dict(zip(words, chances[key][i], strict=True)) for key, words in SCENE_HEADS.items()}
            best = {key: max(share, key=share.__getitem__) for key, share in scene.items()}
            objects = []
            for slot in range(int(best["count"])):
                read = {k: dict(zip(words, chances[k][i][slot], strict=True)) for k, words in OBJECT_HEADS.items()}
                named = {key: max(share, key=share.__getitem__) for key, share in read.items()}
                objects.append(ReadObject(**named, x=float(logits["x"][i, slot]), probabilities=read))
            readings.append(Reading(tuple(objects), best["floor"], best["sky"], scene))
        return readings


def load_classifier(folder: Path | None = None, device: torch.device | str = "cpu") -> Classifier:
    """The bundled classifier, or the one in `folder` (config.json and model.safetensors).

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    folder = folder or BUNDLED
    try:
        config = json.loads((folder / "config.json").read_text())
        net = AttributeNet(config["channels"], config["picture"])
        net.load_state_dict({key: value.float() for key, value in load_file(folder / "model.safetensors").items()})
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"no usable classifier in {folder}: {error}") from error
    return Classifier(net.to(device))
