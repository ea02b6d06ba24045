"""All extra guidance by name, and a user's own energy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from scumble.energies.protocol import ActiveDuring, Function, Needs, Observation, Place, WeightedEnergy
from scumble.methods.extras.asyrp_shift import AsyrpShift
from scumble.methods.extras.attention_targets import AttendAndExcite, LayoutTarget
from scumble.methods.extras.extra import Extra
from scumble.methods.extras.image_targets import ClipTarget, ColorTarget

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

    EnergyFunction = Callable[[Observation], Tensor]
else:
    EnergyFunction = Callable[..., Any]  # pydantic evaluates it, and a tensor needs torch

__all__ = ["ALSO", "CustomEnergy"]


class CustomEnergy(Extra):
    """Your own energy: a function of the observation, one value per sample. From Python only."""

    kind: ClassVar[str] = "energy"

    fn: EnergyFunction = Field(exclude=True)
    """The function."""
    reads: Needs | None = Field(default=None, exclude=True)
    """What the function needs. Default: the predicted image."""
    name: str = ""
    """Name in errors and reports."""
    place: Place = "eps"
    """Part of the step that it acts on."""
    through_network: bool = True
    """Whether the gradient goes through the network; False is cheaper and less accurate."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """The function as an energy."""
        energy = Function(self.fn, self.reads or Needs(prediction=True), self.name)
        steps = ActiveDuring(self.begin, self.end)
        return [WeightedEnergy(energy, self.weight, self.place, steps, self.through_network)]


ALSO: dict[str, type[Extra]] = {
    one.kind: one for one in (LayoutTarget, AttendAndExcite, ColorTarget, ClipTarget, AsyrpShift)
}
"""Name on the command line -> class."""
