"""The data of one batch: model, image, map, noise, and what it shares and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scumble.core.control import Control
from scumble.core.cost import Cost
from scumble.core.noise import NoiseSource
from scumble.images import Window
from scumble.inversion.inversion import Inversion
from scumble.methods.cache import Cache
from scumble.methods.given_text import GivenText
from scumble.methods.report import Report
from scumble.methods.reuse import Reuse
from scumble.methods.watch import Watch
from scumble.methods.words import Words
from scumble.models.base import Model

__all__ = ["BatchData"]

T = TypeVar("T")


@dataclass
class BatchData:
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
        extra: Controls of extra guidance; they act after the method's own.
        watch: Who looks on, and the phase the edit is in.
        used: What defaults of the method's fields came to, by field; goes into the recipe.
        heeded: What was put on the model and is heeded by the method: ``image prompt``.
        text: Text inputs besides the prompts.
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
    heeded: set[str] = field(default_factory=set)
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
