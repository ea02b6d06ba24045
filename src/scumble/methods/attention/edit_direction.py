"""Edit directions: the mean text embedding of the target minus that of the source (arXiv 2302.03027 section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.errors import InputError
from scumble.models.base import Model

__all__ = ["mean_embedding", "moved"]


def mean_embedding(model: Model, sentences: Sequence[str], batch: int = 32) -> Conditioning:
    """Return the mean of the embeddings of sentences, position by position (1, L, D), pooled ones too."""
    parts = [model.embed(sentences[k : k + batch]) for k in range(0, len(sentences), batch)]
    joint = Conditioning.cat(parts)

    def mean(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.mean(0, keepdim=True)

    return Conditioning(mean(joint.embeds), mean(joint.pooled))


def moved(cond: Conditioning, source: Conditioning, target: Conditioning, strength: float = 1.0) -> Conditioning:
    """Return conditioning moved along the direction from ``source`` to ``target``.

    Raises:
        InputError: If the direction is of another text encoder.
    """
    step = (target.text - source.text).to(cond.text)
    if step.shape[-1] == cond.text.shape[-1] and step.shape[1] < cond.text.shape[1]:  # a caption of several pieces
        step = torch.nn.functional.pad(step, (0, 0, 0, cond.text.shape[1] - step.shape[1]))
    if step.shape[1:] != cond.text.shape[1:]:
        raise InputError(
            f"the direction has the shape {tuple(step.shape[1:])}, the model's embeddings have"
            f" {tuple(cond.text.shape[1:])}: it was made with another text encoder"
        )
    result = replace(cond, embeds=cond.text + strength * step)
    if cond.pooled is not None and target.pooled is not None and source.pooled is not None:
        result = replace(result, pooled=cond.pooled + strength * (target.pooled - source.pooled))
    return result
