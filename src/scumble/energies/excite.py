"""Objects that must appear, each in its place: attend-and-excite and its relatives (arXiv 2301.13826)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble.energies.attention_maps import soft_shape
from scumble.energies.protocol import Energy, Needs, Observation
from scumble.models.sites import sites

__all__ = ["Apart", "Excite", "Suppress", "excite_sites", "word_maps"]

CELLS = 16 * 16
"""Number of attention cells that tells objects apart best: 16 x 16 in Stable Diffusion at 512 pixels."""


def excite_sites(denoiser: nn.Module, height: int, width: int) -> tuple[str, ...]:
    """Return the cross-attention modules whose maps have the number of cells nearest to 256.

    Args:
        denoiser: The network.
        height: Of the network's input, in cells.
        width: The same.
    """
    known = sites(denoiser, "cross_attention")
    if not known:
        return ()
    best = min({site.divisor for site in known}, key=lambda d: abs(height * width / d**2 - CELLS))
    return tuple(site.path for site in known if site.divisor == best)


def word_maps(layers: list[Tensor], last: int, spread: float = 0.5) -> Tensor:
    """Return how much each place belongs to each token of a prompt (B, last - 1, h, w).

    Mean over layers, without the first marker, times 100, softmax over the tokens, smoothed with a 3 x 3 Gaussian.

    Args:
        layers: Maps (B, K, h, w) of one size.
        last: Column of the end marker: tokens from 1 to ``last - 1`` compete.
        spread: Standard deviation of the Gaussian in cells; the published kernel is that of 0.707.
    """
    maps = (100 * torch.stack(layers).mean(0)[:, 1:last]).softmax(1)
    steps = torch.tensor([-1.0, 0.0, 1.0], dtype=maps.dtype, device=maps.device)
    line = torch.exp(-0.5 * (steps / spread) ** 2)
    kernel = torch.outer(line, line) / line.sum() ** 2
    b, k, h, w = maps.shape
    padded = F.pad(maps.reshape(b * k, 1, h, w), (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, kernel[None, None]).reshape(b, k, h, w)


@dataclass
class Excite(Energy):
    """Every word has a place of its own: ``1 - max over places`` of its attention, of the worst word.

    Args:
        sites: Cross-attention modules of one size, see :func:`excite_sites`.
        words: The columns of each word.
        last: Column of the prompt's end marker.
        spread: Of the smoothing.
    """

    sites: tuple[str, ...]
    words: tuple[tuple[int, ...], ...]
    last: int
    spread: float = 0.5

    @property
    def reads(self) -> Needs:
        """The attention of the sites."""
        return Needs(attention=self.sites)

    def strengths(self, observation: Observation) -> Tensor:
        """Largest attention of each word (B, words)."""
        maps = word_maps([observation.attention[site] for site in self.sites], self.last, self.spread)
        return torch.stack([maps[:, [c - 1 for c in word]].amax((2, 3)).mean(1) for word in self.words], 1)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """0 where every word has full attention somewhere, 1 where one has none."""
        return (1 - self.strengths(observation)).amax(1)


@dataclass
class Suppress(Excite):
    """The words have no place anywhere: the largest attention of the strongest one."""

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """0 where no place belongs to the words."""
        return self.strengths(observation).amax(1)


@dataclass
class Apart(Energy):
    """The words keep out of each other's places: overlap of their silhouettes, over all pairs.

    Args:
        sites: Cross-attention modules.
        words: The columns of each word, two or more.
    """

    sites: tuple[str, ...]
    words: tuple[tuple[int, ...], ...]

    @property
    def reads(self) -> Needs:
        """The attention of the sites."""
        return Needs(attention=self.sites)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Share of the smaller silhouette that two words have in common, mean over pairs and layers."""
        total, pairs = torch.zeros((), device=observation.x.device), 0
        for site in self.sites:
            shapes = [soft_shape(observation.attention[site][:, list(word)].mean(1)) for word in self.words]
            for k, one in enumerate(shapes):
                for other in shapes[k + 1 :]:
                    smaller = torch.minimum(one.sum((1, 2)), other.sum((1, 2))) + 1e-4
                    total = total + (one * other).sum((1, 2)) / smaller
                    pairs += 1
        return total / max(pairs, 1)
