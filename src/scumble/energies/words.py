"""Energies that look at the attention of words, of this run and of a source."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from scumble.energies.protocol import SOURCE, Energy, Needs, Observation

__all__ = ["Columns", "LikeSource", "OfWords"]


@dataclass(frozen=True)
class Columns:
    """The tokens of some words, in the run's prompt and in the source's.

    Attributes:
        own: Columns of the row that is guided.
        source: Columns of the source's row.
    """

    own: tuple[int, ...]
    source: tuple[int, ...]


@dataclass
class OfWords(Energy):
    """Base of what reads attention: averaged over layers and tokens.

    Args:
        sites: Paths of cross-attention modules.
        columns: The words' tokens.
        squared: Half the squared difference in place of the absolute one.
        source: Row that is compared with.
        smooth: Below this a difference counts as its square, so that equal things do not pull.
    """

    sites: tuple[str, ...]
    columns: Columns
    squared: bool = False
    source: str | None = SOURCE
    smooth: float = 0.0

    @property
    def reads(self) -> Needs:
        """The attention of the sites."""
        return Needs(attention=self.sites)

    def own(self, observation: Observation) -> list[Tensor]:
        """Maps (B, K, h, w) of the guided row, layer by layer."""
        return [observation.attention[site][:, list(self.columns.own)] for site in self.sites]

    def theirs(self, observation: Observation) -> list[Tensor]:
        """Maps of the source's row."""
        return [observation.attention[site][:, list(self.columns.source)] for site in self.sites]


class LikeSource(OfWords):
    """Base of what compares with the source's row."""

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Compare with what was measured; ValueError where nothing was."""
        if origin is None:
            raise ValueError(f"{self.name} compares with a source, and none was measured")
        return self.compare(observation, origin)

    @abstractmethod
    def compare(self, observation: Observation, origin: Tensor) -> Tensor:
        """The difference of the guided row from ``origin``, one value a sample."""
