"""Attention layers of a swap, and the steps at which each column is replaced."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scumble.core.rounding import SLACK
from scumble.methods.attention.step_range import Window, window_steps
from scumble.models.sites import sites

__all__ = ["SwapSites", "gate_table", "swap_sites"]


def gate_table(
    steps: int, length: int, window: Window, words: Mapping[tuple[int, ...], Window], slack: float = SLACK
) -> Tensor:
    """At which steps the attention of which columns is held: (steps, L), 1 = held.

    Args:
        steps: N of the run.
        length: L, columns of cross-attention.
        window: For all columns.
        words: Columns of a word -> its own window, which goes before the common one.
        slack: Forgiven rounding, see :func:`window_steps`.
    """
    table = torch.zeros(steps, length)
    table[window_steps(window, steps, slack)] = 1
    for columns, word_window in words.items():
        table[:, list(columns)] = 0
        for i in window_steps(word_window, steps, slack):
            table[i, list(columns)] = 1
    return table


@dataclass(frozen=True)
class SwapSites:
    """The attention layers that a swap touches: paths in the network."""

    cross: tuple[str, ...]
    own: tuple[str, ...]


def swap_sites(denoiser: nn.Module, shape: Sequence[int], self_keys: int | None = None) -> SwapSites:
    """All cross-attention, and self-attention of at most ``self_keys`` keys.

    Args:
        denoiser: The network.
        shape: Shape (…, h, w) of the run.
        self_keys: The limit; by default a quarter of each side, but at least 16 x 16: the published choice for the
            64 x 64 latents of Stable Diffusion 1, at any size.
    """
    h, w = shape[-2:]
    limit = max(16 * 16, math.ceil(h / 4) * math.ceil(w / 4)) if self_keys is None else self_keys
    cross = tuple(site.path for site in sites(denoiser, "cross_attention"))
    coarse = (
        s for s in sites(denoiser, "self_attention") if math.ceil(h / s.divisor) * math.ceil(w / s.divisor) <= limit
    )
    return SwapSites(cross, tuple(site.path for site in coarse))
