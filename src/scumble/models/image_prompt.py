"""A picture as a prompt: an IP-Adapter beside the U-Net, one more conditioning of every row (arXiv 2308.06721).

Where the network asks the words, it asks the picture's tokens too, by the same queries, and both answers are added.
That is done from outside by taps, so that what other methods read and write in the network is where it always is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.images import Picture
from scumble.models.taps import Tap, module_at

__all__ = ["ImagePrompt"]


@dataclass(frozen=True)
class ImagePrompt:
    """What an IP-Adapter tells a network about a picture.

    Attributes:
        picture: The picture.
        tokens: What it is for the network (1, T, D).
        nothing: The same of no picture, for the row without words.
        projections: Path of each cross-attention -> the matrices that make its keys and values of tokens.
        scale: How strongly the picture acts beside the words.
    """

    picture: Picture
    tokens: Tensor
    nothing: Tensor
    projections: Mapping[str, tuple[Tensor, Tensor]]
    scale: float = 1.0

    def silent(self, cond: Conditioning) -> Conditioning:
        """Conditioning that can stand beside rows with the picture, and is not told about it."""
        return self._with(cond, self.nothing, 0.0)

    def shown(self, cond: Conditioning, empty: bool = False) -> Conditioning:
        """Conditioning with the picture; ``empty``: that of the unconditional row, with no picture in its place."""
        return self._with(cond, self.nothing if empty else self.tokens, self.scale)

    def _with(self, cond: Conditioning, tokens: Tensor, scale: float) -> Conditioning:
        tokens = tokens.expand(cond.batch, -1, -1)
        scales = torch.full((cond.batch,), scale, device=tokens.device)
        return replace(cond, image_prompt=tokens, image_scale=scales, image_reader=self.taps)

    def taps(self, denoiser: nn.Module, tokens: Tensor, scale: Tensor) -> Sequence[Tap]:
        """What adds the picture's answer to every cross-attention, for rows with ``tokens`` (B, T, D) and scales (B,).

        Nothing where every row has scale 0: the network is then as it is without an adapter.
        """
        if not bool(scale.any()):
            return ()
        taps: list[Tap] = []
        for path, matrices in self.projections.items():
            taps += _asking(module_at(denoiser, path), path, matrices, tokens, scale)
        return taps


def _asking(module: Any, path: str, matrices: tuple[Tensor, Tensor], tokens: Tensor, scale: Tensor) -> list[Tap]:
    queries: list[Tensor] = []

    def note(q: Tensor) -> None:
        queries[:] = [q]

    def add(output: Tensor) -> Tensor:
        q = queries.pop()
        k, v = (F.linear(tokens.to(q.device, q.dtype), one.to(q.device, q.dtype)) for one in matrices)
        heads = (one.unflatten(-1, (module.heads, -1)).transpose(1, 2) for one in (q, k, v))
        answer = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        answer = F.linear(answer, module.to_out[0].weight) / module.rescale_output_factor
        return output + scale.to(answer).view(-1, 1, 1) * answer

    return [Tap(f"{path}.to_q", note), Tap(path, add)]
