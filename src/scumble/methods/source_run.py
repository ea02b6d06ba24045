"""A run with a source beside it: one that is sampled from the same seed, or one that an inversion has stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scumble.controls.source_branch import SourceBranch
from scumble.controls.stored_noise import StoredNoise, StoredSourceBranch
from scumble.core.control import Control
from scumble.core.schedule import Level
from scumble.core.solvers import Ddim, Solver
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import EditBatch

__all__ = ["SourceRun", "picture_route", "seed_route"]


@dataclass(frozen=True)
class SourceRun:
    """A run and its source.

    Attributes:
        levels: Its N + 1 levels.
        solver: Its rule.
        first: The step at which it begins.
        prompt: What the source shows.
        source: ``source(ctx, i)`` is the source at the level of step i.
        beside: The controls that lead source and run along, given the step from which on the source's row is not
            needed (None: always).
    """

    levels: tuple[Level, ...]
    solver: Solver
    first: int
    prompt: str
    source: SourceBranch | Inversion
    beside: Callable[[int | None], list[Control]]

    @property
    def steps(self) -> int:
        """N, the number of steps of the whole run."""
        return len(self.levels) - 1


def seed_route(
    batch: EditBatch, steps: int | None, eta: float, prompt: str, negative_prompt: str, scale: float
) -> SourceRun:
    """The source is what the seed and its prompt give, with ``steps`` steps (50) and guidance ``scale``."""
    source = SourceBranch(batch.guidance(prompt, negative_prompt, scale))

    def beside(until: int | None) -> list[Control]:
        source.until = until
        return [source]

    return SourceRun(batch.levels(50 if steps is None else steps), Ddim(eta=eta), 0, prompt, source, beside)


def picture_route(batch: EditBatch, inversion: Inversion) -> SourceRun:
    """The source is the picture on its stored path; the run takes its noise, and a change map holds the path."""

    def beside(until: int | None) -> list[Control]:
        keep_outside_map = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
        noise = StoredNoise(inversion, offsets=inversion.kind != "ddim")
        return [keep_outside_map, noise, StoredSourceBranch(inversion, batch.embed(inversion.prompt), until=until)]

    return SourceRun(
        inversion.levels, inversion.solver(batch.model), inversion.first, inversion.prompt, inversion, beside
    )
