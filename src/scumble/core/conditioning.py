"""What a network is told besides the noisy tensor: text embeddings and, for SDXL, pooled embeddings and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

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
    """

    embeds: Tensor | None = None
    pooled: Tensor | None = None
    time_ids: Tensor | None = None

    @property
    def batch(self) -> int:
        """Number of rows (1 for an unconditional network)."""
        return 1 if self.embeds is None else self.embeds.shape[0]

    def expand(self, batch: int) -> Conditioning:
        """Repeat a single row to ``batch`` rows; conditioning that already has as many is returned as it is."""
        if self.batch == batch or self.embeds is None:
            return self
        if self.batch != 1:
            raise ValueError(f"conditioning of {self.batch} rows cannot serve a batch of {batch}")
        present = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: None if v is None else v.expand(batch, *v.shape[1:]) for k, v in present.items()})

    @staticmethod
    def cat(parts: Sequence[Conditioning]) -> Conditioning:
        """Concatenate along the batch."""

        def join(tensors: list[Tensor | None]) -> Tensor | None:
            found = [t for t in tensors if t is not None]
            return torch.cat(found) if len(found) == len(parts) else None

        return Conditioning(
            join([p.embeds for p in parts]), join([p.pooled for p in parts]), join([p.time_ids for p in parts])
        )

    def rows(self, start: int, stop: int) -> Conditioning:
        """Return the batch rows ``start:stop``."""

        def cut(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[start:stop]

        return Conditioning(cut(self.embeds), cut(self.pooled), cut(self.time_ids))
