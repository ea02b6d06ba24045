"""pix2pix-zero: an edit given as a direction between words, the layout held by cross-attention (arXiv 2302.03027)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from scumble.controls.attention_match import AttentionMatch, StoredReference, TwinMatch, WalkingReference
from scumble.controls.bottleneck import Begin
from scumble.controls.guidance import Guidance
from scumble.controls.stored import StoredNoise
from scumble.core.conditioning import Conditioning
from scumble.core.control import Control
from scumble.core.solvers import Ddim
from scumble.energies.layers import site_sizes
from scumble.errors import InputError
from scumble.inversion.regularised import Regulariser, drawn_from, published_walk, regularised_path
from scumble.inversion.trajectory import Inversion
from scumble.methods.job import Job
from scumble.methods.shared.obtained import Plan, obtain
from scumble.methods.shared.once import once
from scumble.methods.shared.usual import of_photographs
from scumble.methods.shared.worded_direction import WordedDirection
from scumble.models.places import sites

__all__ = ["Pix2PixZero"]

PUBLISHED_RATE, PUBLISHED_PLACES = 0.1, (5 * (64**2 + 32**2 + 16**2) + 8**2) / 64**2
"""Step size for Stable Diffusion 1, and how many queries of its cross-attention there are for each cell of its latent.
The loss is a sum over queries, and a cell moves those near it: so many times larger is the cell's gradient."""


class Pix2PixZero(WordedDirection):
    """Turn one thing into another, wherever it is: say what is there and what shall be, as words or as sentences.

    Works on pictures (inverted first) and, without one, on what the seed and the source prompt give.
    """

    paper: ClassVar[str] = "pix2pix-zero, arXiv 2302.03027"
    needs_text: ClassVar[bool] = True
    takes_inversion: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True

    cross_attention: float | None = Field(default=None, ge=0, le=100)
    """How firmly the layout is held, 0: not at all; by default the published 0.1 for Stable Diffusion, and more in
    proportion where a model has fewer attention maps over each cell."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Classifier-free guidance; by default 5 as published, and 1.5 for pictures and small models, which guidance away
    from the picture's own words soon leads beyond what is asked."""
    negative_prompt: str | None = None
    """What it shall not show; by default the source prompt for pictures, and nothing for seeds."""
    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    """Steps N."""
    correlation_weight: float = Field(default=20.0, ge=0, le=1e4)
    """Of the inversion: how strongly its noise is kept from being correlated with itself."""
    divergence_weight: float = Field(default=20.0, ge=0, le=1e4)
    """Of the inversion: how strongly its noise is kept at mean 0 and variance 1."""
    rounds: int = Field(default=5, ge=0, le=100)
    """Rounds of both at each step."""
    width: int | None = Field(default=None, ge=8, le=8192)
    """Width in pixels of a picture made from the seed."""
    height: int | None = Field(default=None, ge=8, le=8192)
    """Its height."""
    compat: Literal["official"] | None = None
    """official: the published code, that is an inversion whose levels are one off and whose list lacks both ends, a
    draw from the VAE's posterior, and a trajectory of the unguided copy, which is pulled to the source's own words."""

    def run(self, job: Job) -> Tensor | None:
        """Invert, then sample along the direction, each step beginning with a move towards the source's attention."""
        said = self.source_prompt or (job.inversion.prompt if job.inversion is not None else "")
        if not said.strip():
            raise InputError("pix2pix-zero needs to know what the picture shows: say it with --source-prompt")
        caption = job.embed(said)
        edited = self.edited(job, caption, said)
        from_seed = job.image is None and job.inversion is None
        words = self.negative_prompt if self.negative_prompt is not None else "" if from_seed else said
        negative = job.embed(words)
        guidance = Guidance(edited, negative, self._scale(job, from_seed))
        paths = [site.path for site in sites(job.model.denoiser, "cross_attention")]
        if self.compat == "official":
            return self._official(job, caption, guidance, paths, from_seed)
        rate = self.rate(job)
        if from_seed:
            levels = job.levels(self.num_inference_steps)
            start = job.noise.normal(job.shape, "start", 0).to(job.model.device)
            walking = WalkingReference(replace(guidance, cond=caption), start)
            match = AttentionMatch(paths, walking, edited, rate)
            return job.denoise(levels, Ddim(), [match, guidance])
        found = self._inversion(job, caption, said)
        stored = StoredReference(caption, lambda i: found.x_at(i))
        hold = job.hold(found.steps, found.first, found)
        match = AttentionMatch(paths, stored, edited, rate)
        noise = StoredNoise(found, offsets=found.kind != "ddim")
        return job.denoise(found.levels, found.solver(job.model), [hold, noise, match, guidance])

    def rate(self, job: Job) -> float:
        """The step size of the move towards the source's attention."""
        if self.cross_attention is not None:
            return self.cross_attention
        queries = sum(h * w for h, w in site_sizes(job.model.denoiser, job.shape).values())
        return PUBLISHED_RATE * PUBLISHED_PLACES * (job.shape[2] * job.shape[3]) / queries

    def _scale(self, job: Job, from_seed: bool) -> float:
        if self.guidance_scale is not None:
            return self.guidance_scale
        return 5.0 if from_seed or of_photographs(job.model, self.compat) else 1.5

    def _inversion(self, job: Job, caption: Conditioning, said: str) -> Inversion:
        if job.inversion is not None:
            return obtain(job, Plan(kind=job.inversion.kind, steps=self.num_inference_steps))

        def invert() -> Inversion:
            levels = job.levels(self.num_inference_steps)
            noise = job.noise.select(0, 1)
            ctx = replace(job.context(levels, Ddim()), noise=noise, shape=(1, *job.shape[1:]))
            regulate = Regulariser(drawn_from(noise), self.correlation_weight, self.divergence_weight, self.rounds)
            with torch.no_grad():
                xs = regularised_path(ctx, job.x0, Guidance(caption, caption, 1.0), regulate)
            return Inversion("ddim", levels, 0, xs, prompt=said, eta=0.0, size=job.size)

        return once(job.shared, "inversion", invert)

    def _official(
        self, job: Job, caption: Conditioning, guidance: Guidance, paths: list[str], from_seed: bool
    ) -> Tensor:
        levels, x = job.levels(self.num_inference_steps), job.noise.normal(job.shape, "start", 0)
        if not from_seed:
            ctx = job.context(levels, Ddim())
            regulate = Regulariser(drawn_from(job.noise), self.correlation_weight, self.divergence_weight, self.rounds)
            plain = Guidance(caption, caption, 1.0)
            with torch.no_grad():
                x = published_walk(ctx, job.posterior_draw(), plain, regulate, job.model.schedule)[-1]
        reference = WalkingReference(replace(guidance, cond=caption), x)
        rate = PUBLISHED_RATE if self.cross_attention is None else self.cross_attention
        match = TwinMatch(paths, reference, guidance.cond, rate, uncond=guidance.uncond)
        controls: list[Control] = [Begin(x, 0), guidance, match]
        return job.denoise(levels, Ddim(), controls)
