"""The picture and the map of a batch in the model's space, made once per edit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from scumble.core.noise import NoiseSource
from scumble.errors import InputError
from scumble.hashing import sha256, tensor_sha256
from scumble.images import Reduction, latent_map
from scumble.methods.batch_data import BatchData
from scumble.methods.cache import Key
from scumble.models.base import Model
from scumble.models.content_mark import model_mark, picture_mark
from scumble.models.counting import CountingModel

__all__ = ["X0", "BatchPicture"]

T = TypeVar("T")

X0: Key[Tensor] = Key("x0")
"""The picture in the model's space."""
MARK: Key[str | None] = Key("picture mark", everywhere=True)
"""What the autoencoder is: no method writes to it, so that once per edit is enough."""


@dataclass
class BatchPicture(BatchData):
    """A batch whose picture can be encoded."""

    @property
    def x0(self) -> Tensor:
        """The picture in the model's space (1, C, h, w): the mean of the posterior, encoded once per edit."""

        def encode() -> Tensor:
            self.watch.ask()
            with torch.no_grad():
                return self.model.encode(self.picture)

        return self.cache.get_or_make(X0, lambda: self.reused("encoded picture", (), encode))

    def reused(self, what: str, parts: Sequence[object], make: Callable[[], T], noise: NoiseSource | None = None) -> T:
        """Return what an earlier edit made of the same picture, or make it.

        Args:
            what: What it is. All but pictures are made by the denoising network.
            parts: All that decides it besides the model and the picture.
            make: Makes it.
            noise: What it draws from; None: nothing.
        """
        model = self._networks

        def key() -> str | None:
            drawn = () if noise is None else getattr(noise, "identity", None)
            mark = None if drawn is None else self._mark(what)
            beside = (self.text.pieces, tuple(self.text.sizes), self.window if model.control is not None else None)
            decides = repr((drawn, *parts, *beside))
            return None if mark is None else sha256(what, mark, tensor_sha256(self.picture), decides)

        return self.reuse.get_or_make(what, key, make, self.cost)

    @property
    def _networks(self) -> Model:
        return self.model.model if isinstance(self.model, CountingModel) else self.model

    def _mark(self, what: str) -> str | None:
        if not what.endswith("picture"):
            return model_mark(self._networks)
        return self.cache.get_or_make(MARK, lambda: picture_mark(self._networks))

    @property
    def picture(self) -> Tensor:
        """The picture at the model's size (1, 3, H, W).

        Raises:
            InputError: If there is none.
        """
        if self.image is None:
            raise InputError("this method edits a picture, but none was given")
        return self.image

    def posterior_draw(self) -> Tensor:
        """The picture in the model's space as a draw from the encoder's posterior (B, C, h, w), as published
        pipelines do; :attr:`x0`, its mean, is the same every time and is what our own methods use."""
        draw = self.noise.normal(self.shape, "vae", 0).to(self.model.device)
        self.watch.ask()
        with torch.no_grad():
            return self.model.encode(self.picture.expand(self.count, -1, -1, -1), draw)

    def latent_change(self, how: Reduction = "area") -> Tensor:
        """The change map at the model's resolution (1 or B, 1, h, w); ones when there is none."""
        if self.change is None:
            return torch.ones(1, 1, *self.shape[2:], device=self.model.device)
        return latent_map(self.change, self.model.factor, how).to(self.model.device)
