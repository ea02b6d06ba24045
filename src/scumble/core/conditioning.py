"""The network's inputs besides the noisy tensor: text embeddings, sizes, a guidance weight, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["Conditioning"]


@dataclass(frozen=True)
class Conditioning:
    """Conditioning of B rows; every present tensor has B (or 1) rows.

    Attributes:
        embeds: Text tokens (B, L, D), or None for an unconditional network.
        pooled: Pooled text embedding (B, P) of SDXL-like networks, or None.
        time_ids: Micro-conditioning (B, 6) of SDXL-like networks, or None.
        picture: Channels (B, P, h, w) that the network reads behind those of x, or None: the picture to be edited by
            an instruction; a mask and a masked picture.
        guidance: Guidance weight (B,) of a network that reads it as an input (1: none), or None for all others.
        image_prompt: Tokens of a picture (B, T, D) that the network is told beside the words, or None.
        image_scale: How strongly they act (B,); 0: not at all.
        image_reader: What lets the network read them: called with it, tokens and scales, it returns taps.
        control: A picture (B, 3, H, W) in [0, 1] that another network follows, or None.
        controller: That network: called with x, its time, what the network is told and ``control``, it returns what
            the network is given besides.
    """

    embeds: Tensor | None = None
    pooled: Tensor | None = None
    time_ids: Tensor | None = None
    picture: Tensor | None = None
    guidance: Tensor | None = None
    image_prompt: Tensor | None = None
    image_scale: Tensor | None = None
    control: Tensor | None = None
    image_reader: Callable[..., Sequence[Any]] | None = None
    controller: Callable[..., dict[str, Any]] | None = None

    @property
    def batch(self) -> int:
        """Number of rows (1 for an unconditional network)."""
        return 1 if self.embeds is None else self.embeds.shape[0]

    @property
    def text(self) -> Tensor:
        """Text tokens (B, L, D) of a network that takes words.

        Raises:
            ValueError: If there are none.
        """
        if self.embeds is None:
            raise ValueError("conditioning without words was given to something that reads words")
        return self.embeds

    def guided(self, scale: float) -> Conditioning:
        """Return what a network that reads its guidance is told when it is guided ``scale`` times as strongly."""
        return self if self.guidance is None else replace(self, guidance=self.guidance * scale)

    def expand(self, batch: int) -> Conditioning:
        """Repeat a single row to ``batch`` rows; conditioning that already has as many is returned as it is."""
        present = {name: v for name in _TENSORS if (v := getattr(self, name)) is not None}
        for tensor in present.values():
            if tensor.shape[0] not in (1, batch):
                raise ValueError(f"conditioning of {tensor.shape[0]} rows cannot serve a batch of {batch}")
        return replace(self, **{k: v.expand(batch, *v.shape[1:]) for k, v in present.items() if v.shape[0] != batch})

    @staticmethod
    def cat(parts: Sequence[Conditioning]) -> Conditioning:
        """Concatenate along the batch.

        Raises:
            ValueError: If only some parts have one of the tensors.
        """

        def join(tensors: list[Tensor | None]) -> Tensor | None:
            present = [t for t in tensors if t is not None]
            if 0 < len(present) < len(parts):
                raise ValueError("rows with and without a kind of conditioning cannot share one call of the network")
            return torch.cat(present) if present else None

        joined: dict[str, Any] = {name: join([getattr(part, name) for part in parts]) for name in _TENSORS}
        return replace(parts[0], **joined)

    def rows(self, start: int, stop: int) -> Conditioning:
        """Return the batch rows ``start:stop``."""

        def cut(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[start:stop]

        rows: dict[str, Any] = {name: cut(getattr(self, name)) for name in _TENSORS}
        return replace(self, **rows)


_TENSORS = tuple(field.name for field in fields(Conditioning) if field.name not in ("controller", "image_reader"))
