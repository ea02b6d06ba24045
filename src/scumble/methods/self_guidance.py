"""Diffusion Self-Guidance: move, resize and restyle what words name, by their own attention (arXiv 2306.00986)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from scumble.controls.change_map import NoisedSource, start_index
from scumble.controls.companion import Companion
from scumble.controls.energy import EnergyGuidance, SourceRow
from scumble.controls.looking import Looker
from scumble.controls.stored import StoredNoise
from scumble.core.control import Context, Control
from scumble.core.levels import Level
from scumble.core.solvers import Ddim, Solver
from scumble.energies.layers import site_sizes
from scumble.energies.protocol import SOURCE, during
from scumble.errors import InputError
from scumble.methods.job import Job
from scumble.methods.shared.inverted import Inverted, Plan, obtain
from scumble.methods.shared.word_wishes import Reference, WordWishes, wished

__all__ = ["SelfGuidance"]

Trajectory = Literal["seed", "noised", "edit-friendly", "ddim"]


@dataclass(frozen=True)
class _Route:
    """A run, what holds it, and the picture beside it that it is compared with."""

    levels: tuple[Level, ...]
    solver: Solver
    prompt: str
    controls: list[Control]
    trajectory: Callable[[Context, int], Tensor] | None = None
    nothing: bool = False


class SelfGuidance(WordWishes, Inverted):
    """Say what is to happen to the things that words name; the rest is asked to stay as it was.

    Works on pictures and, without one, on what the seed gives. Of a phrase such as "red cube" the noun counts: nouns
    look at their thing, adjectives often elsewhere.
    """

    paper: ClassVar[str] = "Diffusion Self-Guidance, arXiv 2306.00986"
    needs_text: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True

    guidance_scale: float | None = Field(default=None, ge=0.01, le=100)
    """Classifier-free guidance towards the prompt; by default 5 from the seed, and 1 for pictures, which more would
    lead away from their own path."""
    strength: float = Field(default=0.5, ge=0, le=4)
    """How strongly the wishes pull at every step, as a share of the predicted noise; 0 turns them off."""
    until: float = Field(default=0.8, ge=0, le=1)
    """Share of the steps after which the wishes rest."""
    alternate: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps from which on every second step is guided only (3/16 in the paper)."""
    trajectory: Trajectory | None = None
    """What the picture is compared with at each level: noised anew, as in the paper, or an inversion of it, from
    which the run then starts; seed: no picture, the source is made from the seed. By default ddim for pictures."""
    start: float = Field(default=1.0, gt=0, le=1)
    """Of a noised picture: how far back towards noise the run starts."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps of an inversion that is not run again."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps; 1 for edit-friendly, else 0."""
    inversion_iterations: int = Field(default=3, ge=1, le=100)
    """Fixed-point iterations of each level of a ddim inversion."""
    references: tuple[Reference, ...] = ()
    """Other pictures from which words take their look or shape."""
    width: int | None = Field(default=None, ge=8, le=8192)
    """Width in pixels of a picture made from the seed."""
    height: int | None = Field(default=None, ge=8, le=8192)
    """Its height."""
    compat: Literal["official"] | None = None
    """official: the authors' notebook, that is gradients added to the noise prediction without the factor s and
    without a limit (strength is then the plain factor), centres of plain maps, the source's silhouette hard."""

    def run(self, job: Job) -> Tensor | None:
        """Lead the source along, measure it, and push the run to what is wished."""
        route = self._from_seed(job) if job.image is None and job.inversion is None else self._from_picture(job)
        if route.nothing:
            return None
        official = self.compat == "official"
        steps = during(0.0, self.until, self.alternate)
        sources = {} if route.trajectory is None else {SOURCE: SourceRow(job.embed(route.prompt), route.trajectory)}
        sources |= {f"reference{k}": r.row(job) for k, r in enumerate(self.references)}
        guides = wished(self, job, self.prompts[0], route.prompt, steps, official, self.references)
        if not guides:
            raise InputError("nothing is wished: say what is to move, resize, rotate, or which shape or look to keep")
        guidance = self.target(job, self._scale(job))
        energy = EnergyGuidance(
            guides,
            guidance.cond,
            Looker(site_sizes(job.model.denoiser, job.shape), job.model.decode),
            sources,
            cap=None if official else self.strength,
            exactly=True,
            scale=self.strength if official else 1.0,
            by_sigma=not official,
        )
        made = job.denoise(
            route.levels, route.solver, [*route.controls, guidance, *([energy] if self.strength else [])]
        )
        job.report["energies"] = [
            {name: round(float(v[min(k, len(v) - 1)]), 5) for name, v in energy.values.items()}
            for k in range(job.batch)
        ]
        return made

    def _scale(self, job: Job) -> float:
        if self.guidance_scale is not None:
            return self.guidance_scale
        return 5.0 if job.image is None and job.inversion is None else 1.0

    def _from_seed(self, job: Job) -> _Route:
        if self.trajectory not in (None, "seed"):
            raise InputError(f"trajectory {self.trajectory} needs a picture; without one use seed")
        if self.change_map is not None:
            raise InputError("a change map needs a picture: generate first, then edit the result with the map")
        levels = job.levels(self.num_inference_steps or 50)
        said = self.source_prompt or self.prompts[0]
        scale = self._scale(job) if self.source_guidance_scale is None else self.source_guidance_scale
        beside = Companion(job.guidance(said, self.negative_prompt, scale))
        return _Route(levels, Ddim(eta=self.eta or 0.0), said, [beside] if self.strength else [], beside)

    def _from_picture(self, job: Job) -> _Route:
        if self.trajectory == "seed":
            raise InputError("trajectory seed makes its own source: use scumble generate (Editor.generate)")
        said = self.source_prompt or self.prompts[0]
        if self.trajectory == "noised":
            levels = job.levels(self.num_inference_steps or 50)
            steps = len(levels) - 1
            first = start_index(self.start, steps)
            source = NoisedSource(job.x0)
            hold = job.hold(steps, first, source)
            return _Route(levels, Ddim(eta=self.eta or 0.0), said, [hold], source)
        plan = Plan(
            kind=self.trajectory or (None if job.inversion is not None else "ddim"),
            steps=self.num_inference_steps,
            skip=self.skip,
            prompt=said if job.inversion is None else self.source_prompt,
            guidance_scale=self.source_guidance_scale,
            eta=self.eta or None,
            iterations=self.inversion_iterations,
            tolerance=1e-4,
            chunk=self.chunk,
            shared=True,
        )
        found = obtain(job, plan)
        hold = job.hold(found.steps, found.first, found)
        noise = StoredNoise(found, offsets=found.kind != "ddim")
        return _Route(
            found.levels,
            found.solver(job.model),
            found.prompt or said,
            [hold, noise],
            lambda ctx, i: found.x_at(i),
            found.first == found.steps,
        )
