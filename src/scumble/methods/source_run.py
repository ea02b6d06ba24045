"""A run with a source beside it: sampled from the same seed, stored by an inversion, or noised to each level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scumble.controls.change_map import NoisedSource, start_index
from scumble.controls.source_branch import SourceBranch
from scumble.controls.stored_noise import StoredNoise, StoredSourceBranch
from scumble.core.control import Control, Trajectory
from scumble.core.schedule import Level
from scumble.core.solver import Solver
from scumble.core.solvers import Ddim
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import EditBatch

__all__ = ["SourceRun", "along_inversion", "from_noised", "from_seed"]


@dataclass(frozen=True)
class SourceRun:
    """A run and its source.

    Attributes:
        levels: Its N + 1 levels.
        solver: Its rule.
        first: The step at which it begins.
        prompt: What the source shows.
        source: The source at each level.
        lead: Controls that lead the run along the source, and keep what a change map keeps.
        branch: Controls that evaluate the source beside the run, given the first step at which that is not needed
            (None: always).
    """

    levels: tuple[Level, ...]
    solver: Solver
    first: int
    prompt: str
    source: Trajectory
    lead: tuple[Control, ...] = ()
    branch: Callable[[int | None], tuple[Control, ...]] = lambda until: ()

    @property
    def steps(self) -> int:
        """N, the number of steps of the whole run."""
        return len(self.levels) - 1

    @property
    def nothing(self) -> bool:
        """Whether no step is run: the image stays as it is."""
        return self.first == self.steps

    @property
    def sampled(self) -> bool:
        """Whether the source exists only where it is evaluated beside the run."""
        return isinstance(self.source, SourceBranch)

    def beside(self, until: int | None = None) -> list[Control]:
        """Return the controls that lead the run, and evaluate the source until a step (None: always)."""
        return [*self.lead, *self.branch(until)]


def from_seed(batch: EditBatch, steps: int, eta: float, prompt: str, negative_prompt: str, scale: float) -> SourceRun:
    """The source is what the seed and its prompt give, with guidance ``scale``; sampled only where it is evaluated."""
    source = SourceBranch(batch.source_guidance(prompt, negative_prompt, scale))

    def branch(until: int | None) -> tuple[Control, ...]:
        source.until = until
        return (source,)

    return SourceRun(batch.levels(steps), Ddim(eta=eta), 0, prompt, source, branch=branch)


def along_inversion(batch: EditBatch, inversion: Inversion) -> SourceRun:
    """The source is the image on its stored path; the run takes its noise, and a change map keeps the path."""
    keep = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
    noise = StoredNoise(inversion, offsets=inversion.kind != "ddim")

    def branch(until: int | None) -> tuple[Control, ...]:
        return (StoredSourceBranch(inversion, batch.embed(inversion.prompt), until=until),)

    solver, first = inversion.solver(batch.model), inversion.first
    return SourceRun(inversion.levels, solver, first, inversion.prompt, inversion.rows, (keep, noise), branch)


def from_noised(batch: EditBatch, steps: int, eta: float, prompt: str, start: float) -> SourceRun:
    """The source is the image noised to each level; the run begins at the share ``start`` of the way to noise."""
    levels, source = batch.levels(steps), NoisedSource(batch.x0)
    first = start_index(start, len(levels) - 1)
    keep = batch.keep_outside_map(len(levels) - 1, first, source)
    return SourceRun(levels, Ddim(eta=eta), first, prompt, source, (keep,))
