"""A run with a source beside it: one that is sampled from the same seed, or one that an inversion has stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scumble.controls.companion import Companion
from scumble.controls.stored import StoredNoise, TeacherForced
from scumble.core.control import Control
from scumble.core.levels import Level
from scumble.core.solvers import Ddim, Solver
from scumble.inversion.trajectory import Inversion
from scumble.methods.job import Job

__all__ = ["Route", "picture_route", "seed_route"]


@dataclass(frozen=True)
class Route:
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
    source: Companion | Inversion
    beside: Callable[[int | None], list[Control]]

    @property
    def steps(self) -> int:
        """N, the number of steps of the whole run."""
        return len(self.levels) - 1


def seed_route(job: Job, steps: int | None, eta: float, prompt: str, negative_prompt: str, scale: float) -> Route:
    """The source is what the seed and its prompt give, with ``steps`` steps (50) and guidance ``scale``."""
    source = Companion(job.guidance(prompt, negative_prompt, scale))

    def beside(until: int | None) -> list[Control]:
        source.until = until
        return [source]

    return Route(job.levels(50 if steps is None else steps), Ddim(eta=eta), 0, prompt, source, beside)


def picture_route(job: Job, inversion: Inversion) -> Route:
    """The source is the picture on its stored path; the run takes its noise, and a change map holds the path."""

    def beside(until: int | None) -> list[Control]:
        hold = job.hold(inversion.steps, inversion.first, inversion)
        noise = StoredNoise(inversion, offsets=inversion.kind != "ddim")
        return [hold, noise, TeacherForced(inversion, job.embed(inversion.prompt), until=until)]

    return Route(inversion.levels, inversion.solver(job.model), inversion.first, inversion.prompt, inversion, beside)
