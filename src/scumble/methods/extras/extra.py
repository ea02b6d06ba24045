"""The base of extra guidance: its weight, and the share of the steps in which it acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict, Field

from scumble.energies.protocol import WeightedEnergy
from scumble.settings import Settings

if TYPE_CHECKING:
    from scumble.core.control import Control
    from scumble.methods.batch import EditBatch

__all__ = ["Extra", "per_cell"]


class Extra(Settings):
    """Base: guidance that acts in another method's run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)

    kind: ClassVar[str] = ""
    """Name on the command line."""
    weight: float = Field(default=1.0, ge=0, le=1e6)
    """Weight; 0 turns it off."""
    begin: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps after which it acts."""
    end: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps up to which it acts."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """The weighted energies."""
        return []

    def controls(self, batch: EditBatch, prompt: str) -> list[Control]:
        """Further controls."""
        return []


def per_cell(batch: EditBatch, factor: float) -> float:
    """Factor on a mean over the image, so that each cell moves by the same amount at every size."""
    return factor * batch.shape[2] * batch.shape[3]
