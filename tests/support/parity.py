"""One run by us and by diffusers from the same noise, as latents before the decoder."""

from __future__ import annotations

from typing import Any

import torch

import scumble
from scumble.core.noise import CounterNoise


def start_noise(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """The noise from which we begin."""
    return CounterNoise([seed]).normal(shape, "start", 0)


def by_us(editor: Any, method: Any, seed: int = 1, image: Any = None, **options: Any) -> tuple[torch.Tensor, Any]:
    """The last latent, and the result."""
    seen: list[torch.Tensor] = []
    decode = editor.model.decode

    def note(x0: torch.Tensor) -> torch.Tensor:
        seen.append(x0)
        return decode(x0)

    editor.model.decode = note
    try:
        if image is None:
            result = editor.generate(method, seed=seed, **options)
        else:
            result = editor.edit(image, method, seed=seed, **options)
    finally:
        del editor.model.decode
    return seen[0], result


def close(ours: torch.Tensor, theirs: torch.Tensor, share: float = 1e-4) -> bool:
    """Whether no value differs by more than a share of the largest."""
    return float((ours - theirs).abs().max()) <= share * float(theirs.abs().max())


def editor_of(pipe: Any, **options: Any) -> scumble.Editor:
    return scumble.Editor.from_pipe(pipe, **options)
