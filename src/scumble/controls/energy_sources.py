"""Sources that energies compare with, and the readings of one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scumble.controls.activation_reader import ActivationReader, joined
from scumble.controls.slopes import Acting
from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState, Trajectory
from scumble.energies.protocol import Observation
from scumble.errors import MethodError

__all__ = ["SourceRow", "StepReadings"]


@dataclass(frozen=True)
class SourceRow:
    """A picture that energies compare with, evaluated beside the run.

    Attributes:
        cond: Conditioning of the network.
        trajectory: Its x at each level.
    """

    cond: Conditioning
    trajectory: Trajectory


@dataclass
class StepReadings:
    """What is known at one step.

    Attributes:
        observations: Row name -> what was observed of it.
        references: (Source, number of an energy) -> what the energy compares with.
    """

    observations: dict[str, Observation] = field(default_factory=dict)
    references: dict[tuple[str, int], Tensor | None] = field(default_factory=dict)

    def complete(self, acting: Sequence[Acting], name: str) -> bool:
        """Whether every energy that compares with this source has what it compares with."""
        return all((name, k) in self.references for k, g, _ in acting if g.energy.source == name)

    def reference(self, one: Acting) -> Tensor | None:
        """What an energy compares with; None: nothing."""
        source = one[1].energy.source
        return None if source is None else self.references.get((source, one[0]))

    def measure(self, acting: Sequence[Acting]) -> None:
        """Reduce the sources' rows to what the energies compare with.

        Raises:
            MethodError: If a source's row was not evaluated.
        """
        for k, guide, _ in acting:
            name = guide.energy.source
            if name is None or (name, k) in self.references:
                continue
            if name not in self.observations:
                raise MethodError(f"energy {guide.energy.name} compares with {name!r}, but no such row is evaluated")
            with torch.no_grad():
                reference = guide.energy.measure(self.observations[name])
            self.references[name, k] = None if reference is None else reference.detach()

    def evaluate(
        self, ctx: RunState, acting: Sequence[Acting], sources: Mapping[str, SourceRow], reader: ActivationReader
    ) -> None:
        """Evaluate the sources and measure, before the step's own evaluation: each source is evaluated by itself.

        Raises:
            MethodError: If a source was not given.
        """
        for name in dict.fromkeys(g.energy.source for _, g, _ in acting):
            if name is None:
                continue
            if name not in sources:
                raise MethodError(f"energies at place x compare with {name!r}, but no such source was given")
            needs = joined(g.energy.reads for _, g, _ in acting if g.energy.source == name)
            x = sources[name].trajectory(ctx, ctx.i)
            self.observations[name] = reader.once(ctx, x, sources[name].cond, needs, name, grad=False)
        self.measure(acting)
