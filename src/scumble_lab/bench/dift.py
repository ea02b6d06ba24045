"""Features of a diffusion model that tell points of a picture apart (arXiv 2306.03881), as DragBench is scored by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from scumble.core.noise import CounterNoise
from scumble.core.prediction import noised
from scumble.editing.editor import Editor
from scumble.images import to_tensor
from scumble.methods.drag.arrival import SHARE
from scumble.methods.drag.features import features_at
from scumble.models.base import Model
from scumble.models.sites import sites

__all__ = ["Dift"]


@dataclass(frozen=True)
class Dift:
    """The output of the second decoder block at timestep 261 of 1000, the mean over draws of the noise.

    Attributes:
        model: Published distances are by Stable Diffusion 2.1.
        draws: How many.
        seed: Of the noise: the same for all pictures, so that a distance does not depend on the others' order.
    """

    model: Model
    draws: int = 8
    seed: int = 42

    @classmethod
    def load(cls, source: str, device: str = "cpu") -> Dift:
        """Features of a bundled model, folder, file or hub id.

        Raises:
            CheckpointError: if there is none.
        """
        return cls(Editor.from_pretrained(source, device=device).model)

    @property
    def name(self) -> str:
        """Whose features they are."""
        return f"{self.model.weights_hash[:16]} {self.draws} {self.seed}"

    @torch.no_grad()
    def __call__(self, picture: Image.Image, prompt: str) -> Tensor:
        """Return (C, h, w) of a picture, resized to sides that the model can take."""
        width, height = (max(side - side % self.model.multiple, self.model.multiple) for side in picture.size)
        whole = to_tensor(picture.resize((width, height), Image.Resampling.BICUBIC)).to(self.model.device)
        noise = CounterNoise([self.seed])
        drawn = noise.normal(self.model.encode(whole).shape, "posterior")
        x0 = self.model.encode(whole, drawn.to(whole))
        level = self.model.schedule.at(int(SHARE * self.model.schedule.num_train_timesteps))
        eps = torch.cat([noise.normal(x0.shape, "dift", k) for k in range(self.draws)]).to(x0)
        cond = self.model.embed([prompt], (height, width)).expand(self.draws)
        blocks = sites(self.model.denoiser, "up_block")
        x = noised(x0.expand_as(eps), eps, level)
        return features_at(self.model, x, level, cond, blocks[min(1, len(blocks) - 1)].path).mean(0)
