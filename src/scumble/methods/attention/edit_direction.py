"""Edit directions: the mean text embedding of the target minus that of the source (arXiv 2302.03027 section 3.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.errors import CheckpointError, InputError
from scumble.files import atomic_write
from scumble.models.base import Model

__all__ = [
    "has_word",
    "load_direction",
    "mean_embedding",
    "moved",
    "read_sentences",
    "save_direction",
    "sentences_about",
]

TEMPLATES = (
    "{}",
    "a {}",
    "a photo of a {}",
    "a picture of a {}",
    "a painting of a {}",
    "a small {}",
    "a large {}",
    "a close-up of a {}",
    "one {} in the middle",
    "a {} in the background",
    "a {} on grass",
    "a {} on sand",
    "a {} at night",
    "a {} in the sun",
)
"""What the built-in sentence maker knows; the words around cancel in the difference."""


def sentences_about(word: str, scene: str = "", instead_of: str = "") -> list[str]:
    """Return sentences about a word; with a scene, that scene with the word in place of another, and nothing else.

    Args:
        word: What they are about.
        scene: A caption that has ``instead_of``; the surest context, since the embedding moves in its own place.
        instead_of: The word of the caption that is replaced.
    """
    if has_word(scene, instead_of):
        return [_whole(instead_of).sub(lambda _: word, scene)]
    return [template.format(word) for template in TEMPLATES]


def has_word(scene: str, word: str) -> bool:
    """Whether a caption has a word or phrase, and not only as a part of another word."""
    return bool(word) and _whole(word).search(scene) is not None


def _whole(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def read_sentences(path: str | Path) -> list[str]:
    """Read a text file, one sentence a line.

    Raises:
        InputError: If there is no such file, or it has no sentence.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the sentences {Path(path).name!r} cannot be read: give a text file, a sentence a line"
        ) from error
    sentences = [line.strip() for line in lines if line.strip()]
    if not sentences:
        raise InputError(f"the sentences {Path(path).name!r} are empty: give a text file, a sentence a line")
    return sentences


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


def save_direction(path: str | Path, source: Conditioning, target: Conditioning) -> Path:
    """Write the direction from ``source`` to ``target`` (1, L, D) as safetensors; never half of it."""
    from safetensors.torch import save_file

    tensors = {"direction": (target.text - source.text).contiguous().cpu()}
    if source.pooled is not None and target.pooled is not None:
        tensors["pooled"] = (target.pooled - source.pooled).contiguous().cpu()
    with atomic_write(Path(path)) as temporary:
        save_file(tensors, temporary)
    return Path(path)


def load_direction(path: str | Path) -> tuple[Conditioning, Conditioning]:
    """Read a direction file as a pair (zero, direction).

    Raises:
        CheckpointError: If it is no such file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(Path(path))
        step = tensors["direction"]
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(f"{Path(path).name!r} is no edit direction: make one with save_direction") from error
    pooled = tensors.get("pooled")
    zero = Conditioning(torch.zeros_like(step), None if pooled is None else torch.zeros_like(pooled))
    return zero, Conditioning(step, pooled)
