"""One batch of one edit: the model, the picture and the map in its space, the noise, and the way to run the loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scumble.controls.change_map import (
    FEW_STEPS,
    ChangeMap,
    NoisedSource,
    release_fraction,
    release_index,
    start_index,
)
from scumble.core.conditioning import Conditioning
from scumble.core.control import Control, RunState, StepResult, Trajectory
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.guiders import RULES, Guider
from scumble.core.loop import denoise
from scumble.core.noise import NoiseSource
from scumble.core.rounding import SLACK
from scumble.core.schedule import Level
from scumble.core.solvers import Solver
from scumble.core.words import PlacedGuidance, PlacedWords
from scumble.errors import InputError
from scumble.hashing import sha256, tensor_sha256
from scumble.images import Reduction, Window, fit, latent_map
from scumble.inversion.inversion import Inversion
from scumble.methods.cache import Cache, Key
from scumble.methods.given_text import GivenText
from scumble.methods.joint_prompt import with_lead
from scumble.methods.progress import Stage
from scumble.methods.report import Report
from scumble.methods.reuse import Reuse
from scumble.methods.watch import Watch
from scumble.methods.words import Words
from scumble.models.base import Model
from scumble.models.content_mark import model_mark, picture_mark
from scumble.models.control import ControlNet
from scumble.models.counting import CountingModel

__all__ = ["X0", "EditBatch"]

T = TypeVar("T")

CONTROL: Key[Tensor] = Key("control picture")
"""The control picture in the window, as its network sees it."""
X0: Key[Tensor] = Key("x0")
"""The picture in the model's space."""


@dataclass
class EditBatch:
    """Everything a method needs for one batch of candidates.

    Attributes:
        model: The model.
        noise: Noise of the B candidates.
        count: B, the number of candidates.
        image: The picture at the model's size (1, 3, H, W) in [-1, 1], or None.
        change: The change map at the model's size (1 or B, 1, H, W) in [0, 1], 1 = change; None: change everything.
        size: (width, height) at which the model works.
        cost: Running totals.
        samples: Which candidates these are (first, last + 1).
        cache: What batches of the same edit share (the encoded picture, source features, …).
        report: What the method wants to tell in the result (scores, errors of arrival, …).
        notices: One-line remarks for the user.
        inversion: The picture's inversion, when one was given.
        window: How the picture came to that size; None: it had it.
        extra: What acts besides the method's own controls, behind them.
        watch: Who looks on, and the phase the edit is in.
        used: What defaults of the method's fields came to, by field; goes into the recipe.
        text: What the edit is told besides its prompts.
        edit_noise: Noise of the edit's first candidate: what is made once for all candidates is made of it.
        reuse: What earlier edits made.
        placed: Prompts besides the method's own, each with where it holds at the model's size (1 or B, 1, H, W).
        places: ``latent`` or ``attention``: how placed prompts share the image.
        lead: Share of the steps that all placed prompts lead together, where the method has no prompt of its own.
        guider: Name of the rule of guidance by words.
        substeps: Whether places are freed inside a step too; None: below ``FEW_STEPS`` steps.
        pixels: The untouched window at the picture's own size (h, w, 3), or None.
        pixels_change: The change map there (1 or B, 1, h, w), or None.
        fresh: Set by methods: what they filled in before they began (1 or B, 1, H, W), and so lends no detail.
        started_from: Set by methods that began at another picture: it (h, w, 3) at the picture's own size, and where
            it was filled in (h, w).
    """

    model: Model
    noise: NoiseSource
    count: int
    size: tuple[int, int]
    image: Tensor | None = None
    change: Tensor | None = None
    cost: Cost = field(default_factory=Cost)
    samples: tuple[int, int] = (0, 1)
    cache: Cache = field(default_factory=Cache)
    report: Report = field(default_factory=Report)
    notices: list[str] = field(default_factory=list)
    inversion: Inversion | None = None
    window: Window | None = None
    extra: Sequence[Control] = ()
    placed: Sequence[tuple[Words, Tensor | None]] = ()
    places: str = "latent"
    lead: float = 0.0
    guider: str = "cfg"
    substeps: bool | None = False
    edit_noise: NoiseSource | None = None
    reuse: Reuse = field(default_factory=Reuse)
    watch: Watch = field(default_factory=Watch)
    used: dict[str, Any] = field(default_factory=dict)
    text: GivenText = field(default_factory=GivenText)
    pixels: npt.NDArray[np.uint8] | None = None
    pixels_change: Tensor | None = None
    fresh: Tensor | None = None
    started_from: tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]] | None = None

    @property
    def first_noise(self) -> NoiseSource:
        """Noise of what is made once for all candidates: that of the edit's first one, whatever batch this is."""
        return self.noise.select(0, 1) if self.edit_noise is None else self.edit_noise

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape (B, C, h, w) of the run."""
        width, height = self.size
        return (self.count, self.model.channels, height // self.model.factor, width // self.model.factor)

    @property
    def x0(self) -> Tensor:
        """The picture in the model's space (1, C, h, w): the mean of the posterior, encoded once per edit."""

        def encode() -> Tensor:
            with torch.no_grad():
                return self.model.encode(self.picture)

        return self.cache.get_or_make(X0, lambda: self.reused("encoded picture", (), encode))

    def reused(self, what: str, parts: Sequence[object], make: Callable[[], T], noise: NoiseSource | None = None) -> T:
        """Return what an earlier edit made of the same picture, or make it.

        Args:
            what: What it is. All but pictures are made by the denoising network.
            parts: All that decides it besides the model and the picture.
            make: Makes it.
            noise: What it draws from; None: nothing.
        """
        model = self.model.model if isinstance(self.model, CountingModel) else self.model

        def key() -> str | None:
            drawn = () if noise is None else getattr(noise, "identity", None)
            mark = None if drawn is None else (picture_mark if what.endswith("picture") else model_mark)(model)
            beside = (self.text.pieces, tuple(self.text.sizes), self.window if model.control is not None else None)
            decides = repr((drawn, *parts, *beside))
            return None if mark is None else sha256(what, mark, tensor_sha256(self.picture), decides)

        return self.reuse.get_or_make(what, key, make, self.cost)

    @property
    def picture(self) -> Tensor:
        """The picture at the model's size (1, 3, H, W).

        Raises:
            InputError: If there is none.
        """
        if self.image is None:
            raise InputError("this method edits a picture, but none was given")
        return self.image

    def posterior_draw(self) -> Tensor:
        """The picture in the model's space as a draw from the encoder's posterior (B, C, h, w), as published
        pipelines do; :attr:`x0`, its mean, is the same every time and is what our own methods use."""
        draw = self.noise.normal(self.shape, "vae", 0).to(self.model.device)
        with torch.no_grad():
            return self.model.encode(self.picture.expand(self.count, -1, -1, -1), draw)

    def latent_change(self, how: Reduction = "area") -> Tensor:
        """The change map at the model's resolution (1 or B, 1, h, w); ones when there is none."""
        if self.change is None:
            return torch.ones(1, 1, *self.shape[2:], device=self.model.device)
        return latent_map(self.change, self.model.factor, how).to(self.model.device)

    @property
    def default_steps(self) -> int:
        """Number of steps of a run for which nobody gave one: the model's, else 50."""
        return int(self.model.defaults.get("num_inference_steps", 50))

    def levels(self, num_inference_steps: int, solver: str = "ddim") -> tuple[Level, ...]:
        """The levels of a run.

        Raises:
            InputError: If the number of steps does not fit the model's schedule.
        """
        try:
            return self.model.schedule.levels(num_inference_steps, solver)
        except ValueError as error:
            raise InputError(str(error)) from error

    def embed(self, prompt: str, second: str | None = None) -> Conditioning:
        """One row of conditioning for a prompt, as long as the longest of the edit; words that the model cannot see are
        named in a notice. ``second``: what SDXL's second encoder reads instead."""
        cut = self.model.words_cut(prompt)
        notice = f"the prompt is longer than the model reads; not seen: {cut}"
        if cut and notice not in self.notices:
            self.notices.append(notice)
        width, height = self.size
        cond = self.text.told_sizes(self.model.embed([prompt], (height, width), self.text.pieces, second))
        return cond if self.model.control is None else self._controlled(cond, self.model.control)

    def _controlled(self, cond: Conditioning, control: ControlNet) -> Conditioning:
        """The conditioning with the control picture in the window."""
        window = self.window or fit(*self.size, multiple=self.model.multiple, native=None)
        shown = self.cache.get_or_make(CONTROL, lambda: control.shown(window).to(self.model.device))
        return replace(cond, control=shown, controller=control)

    def guidance(self, prompt: str, negative_prompt: str, scale: float) -> Guidance:
        """Classifier-free guidance towards the method's prompt, and by the words that have a place."""
        if not self.model.takes_text:
            return self.source_guidance(prompt, negative_prompt, scale)
        cond, uncond = self.embed(prompt, self.text.second), self.embed(negative_prompt, self.text.negative_second)
        stored = self.text.in_place_of(cond, negative=False), self.text.in_place_of(uncond, negative=True)
        plain = Guidance(*stored, scale)
        if self.guider != "cfg":
            plain = replace(plain, guider=self._guider())
        if not self.placed:
            return plain
        leader, placed = (None, self.placed) if prompt else with_lead(self.placed, self.lead)
        if leader is not None:
            self._say_lead(leader)
            placed = [(leader, None), *placed]
        words = tuple(self._placed(*one) for one in placed)
        if self.places == "latent":
            return PlacedGuidance(plain.cond, plain.uncond, plain.scale, guider=plain.guider, words=words)
        from scumble.controls.placed_attention import PlacedAttention

        return PlacedAttention(
            plain.cond, plain.uncond, plain.scale, guider=plain.guider, words=words, denoiser=self.model.denoiser
        )

    def _say_lead(self, leader: Words) -> None:
        remark = f"the first {100 * leader.end:.0f} % of the steps are led by all places together: {leader.text!r}"
        if remark not in self.notices:
            self.notices.append(remark)

    def _guider(self) -> Guider:
        """The rule of guidance, made anew: it may remember a run."""
        if self.guider in RULES:
            return RULES[self.guider]()
        from scumble.controls.weak_guiders import weak_guider

        return weak_guider(self.guider, self.model.denoiser)

    def _placed(self, words: Words, place: Tensor | None) -> PlacedWords:
        cells = None if place is None else latent_map(place, self.model.factor).to(self.model.device)
        return PlacedWords(self.embed(words.text), cells, words.weight, words.mode, words.begin, words.end)

    def source_guidance(self, prompt: str, negative_prompt: str, scale: float) -> Guidance:
        """Classifier-free guidance by one prompt alone, as an inversion has it; a model that takes no words is
        evaluated once a step."""
        if not self.model.takes_text:
            return Guidance(Conditioning(), Conditioning(), 1.0)
        return Guidance(self.embed(prompt), self.embed(negative_prompt), scale)

    def keep_outside_map(self, steps: int, first: float, source: Trajectory | None = None) -> ChangeMap:
        """The control that begins at step ``first`` from the source and keeps what the change map says.

        Args:
            steps: N.
            first: The step at which a global strength lets the run begin, as of :meth:`begin`.
            source: The kept trajectory; the source noised by one draw by default.
        """
        change = self.latent_change()
        release, fraction = release_index(change, steps, first), self.fraction(change, steps, first)
        return ChangeMap(release, source or NoisedSource(self.x0), first=int(first + SLACK), fraction=fraction)

    def divides(self, steps: int) -> bool:
        """Whether places are freed inside a step of a run of N steps."""
        return steps < FEW_STEPS if self.substeps is None else self.substeps

    def begin(self, strength: float, steps: int) -> float:
        """The step at which a global strength lets a run of N steps begin, a fraction: only its product with the map
        is rounded. With ``substeps=False``, as in version 0.1, the step itself is rounded too."""
        return float(start_index(strength, steps)) if self.substeps is False else (1.0 - strength) * steps

    def fraction(self, change: Tensor, steps: int, first: float = 0) -> Tensor | None:
        """How far into the step of its release each cell waits; None where only whole steps count."""
        return release_fraction(change, steps, first) if self.divides(steps) else None

    def without_clipping(self) -> EditBatch:
        """The same batch on the same network, whose predictions are never clipped (published code ignores the
        checkpoint's word on it)."""
        model = copy.copy(self.model)
        model.clip_sample = None
        return replace(self, model=model)

    def say_shared(self, what: str) -> None:
        """Say, where there are several candidates, that something random is the same for all of them."""
        remark = f"{what} is drawn once, by the first candidate's seed: seed + k alone gives another picture"
        if self.samples[1] > 1 and remark not in self.notices:
            self.notices.append(remark)

    def use(self, name: str, value: T) -> T:
        """Record what the default of a method's field came to, and return it."""
        self.used[name] = value
        return value

    def tell(self, step: int, steps: int, x0: Tensor, decode: Callable[[], Tensor] | None = None) -> None:
        """Tell whoever watches about a step, and stop when they ask for it: every phase of a run reports here.

        Args:
            step: Steps done in this phase, from 1.
            steps: Steps of this phase.
            x0: The current prediction of the clean result, in the model's space.
            decode: Decodes it, where it is not in the model's space.

        Raises:
            Stopped: If the edit is to stop.
        """
        self.watch.tell(step, steps, self.samples, x0, self.model, decode)

    def context(self, levels: tuple[Level, ...], solver: Solver, tag: str = "") -> RunState:
        """A fresh context for one run of the loop."""
        device = torch.device(self.model.device)
        return RunState(self.model, levels, solver, self.noise, self.shape, device, self.cost, tag=tag)

    def denoise(
        self,
        levels: tuple[Level, ...],
        solver: Solver,
        controls: Sequence[Control],
        tag: str = "",
        stage: Stage = "sample",
    ) -> Tensor:
        """Run the loop and return the tensor at the last level."""
        first: list[int] = []

        def report(ctx: RunState, result: StepResult) -> None:
            first[:] = first or [ctx.i]
            self.tell(ctx.i + 1 - first[0], ctx.steps - first[0], result.prediction.x0)

        ctx = self.context(levels, solver, tag)
        if self.extra:
            from scumble.controls.conflicts import combine_controls

            controls = combine_controls(ctx, controls, self.extra)
        with torch.no_grad(), self.watch.phase(stage, counts=False):
            return denoise(ctx, controls, report)
