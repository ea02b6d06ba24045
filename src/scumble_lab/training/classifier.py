"""The attribute classifier: reads objects from left to right, floor and sky. Trained on true renders only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from scumble_lab.bench.attributes import OBJECT_HEADS, SCENE_HEADS, attribute_loss, targets
from scumble_lab.bench.classifier import AttributeNet
from scumble_lab.training.augment import roughened
from scumble_lab.training.config import Size
from scumble_lab.training.data import World
from scumble_lab.training.loop import Draw
from scumble_lab.training.sheet import save_sheet

__all__ = ["ClassifierTask", "accuracy"]


class ClassifierTask:
    """Cross entropy of all heads, and where each object's attention should lie."""

    def __init__(self, size: Size, world: World) -> None:
        self.world = world
        self.device, self.bf16 = torch.device(size.device), size.bf16
        torch.manual_seed(size.classifier.schedule.seed)
        self.net = AttributeNet(size.classifier.channels, size.picture)
        self.net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.true = targets(world.scenes)

    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"classifier": self.net}

    def rates(self) -> Mapping[str, float]:
        """One rate."""
        return {"classifier": 1.0}

    def loss(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One batch of mildly damaged renders."""
        index = draw.index(self.world.trained, batch)
        read = self.net(roughened(self.world.batch(index, self.device), draw))
        true = {key: value[index].to(self.device) for key, value in self.true.items()}
        attributes = attribute_loss(read, true)
        there = true["x"].isfinite()
        place = (read["x"].float() - true["x"])[there].square().mean()
        return attributes + 4 * place, {"attributes": attributes.detach(), "place": place.detach()}

    def validate(self) -> Mapping[str, float]:
        """Share of heads that are right on held-out scenes."""
        count = self.world.held_out
        pictures = self.world.unseen(count, self.device)
        read = [self.net(x) for x in pictures.split(64)]
        return accuracy(
            {key: torch.cat([part[key] for part in read]) for key in read[0]},
            {key: value[self.world.trained :].to(self.device) for key, value in self.true.items()},
        )

    def sheet(self, path: Path) -> None:
        """What it sees in training: damaged renders."""
        index = torch.arange(min(16, self.world.trained))
        save_sheet(roughened(self.world.batch(index), Draw.of(0, 0, torch.device("cpu"))), path)


def accuracy(read: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> dict[str, float]:
    """Share of right answers by head; absent objects do not count."""
    shares = {}
    for key in (*OBJECT_HEADS, *SCENE_HEADS):
        there = true[key] >= 0
        shares[key] = (read[key].argmax(-1) == true[key])[there].float().mean().item()
    return shares
