"""Observers of an edit: called at every network call of every phase; they may stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scumble.core.loop import Stopped
from scumble.methods.progress import Progress, Stage

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.models.base import Model

__all__ = ["Cancel", "OnStep", "Watch"]

OnStep = Callable[[Progress], bool | None]
Cancel = Callable[[], bool]


@dataclass
class Watch:
    """The user's callbacks, and the phase that the edit is in.

    Attributes:
        on_step: Told after each step of sampling, and at each network call or update of the other phases; returning
            False stops the edit.
        cancel: Asked before each network call; returning True stops the edit.
        stage: The phase.
        step: Network calls or updates of the phase so far.
        steps: Of how many, at most; 0: not known.
        counts: Whether network calls are steps of the phase, or something in it tells its own.
    """

    on_step: OnStep | None = None
    cancel: Cancel | None = None
    stage: Stage = "prepare"
    step: int = 0
    steps: int = 0
    counts: bool = True

    @contextmanager
    def phase(self, stage: Stage, steps: int = 0, counts: bool = True) -> Iterator[None]:
        """Be in a phase; afterwards in the one before."""
        before = (self.stage, self.step, self.steps, self.counts)
        self.stage, self.step, self.steps, self.counts = stage, 0, steps, counts
        try:
            yield
        finally:
            self.stage, self.step, self.steps, self.counts = before

    def ask(self) -> None:
        """Stop where that is wanted.

        Raises:
            Stopped: If it is.
        """
        if self.cancel is not None and self.cancel():
            raise Stopped

    def called(self, samples: tuple[int, int], x0: Callable[[], Tensor], model: Model) -> None:
        """Before a network call: ask, and tell where calls are steps."""
        self.ask()
        if self.counts and self.on_step is not None:
            latent = x0()
            self.tell(self.step + 1, max(self.steps, self.step + 1), samples, latent, model)

    def tell(
        self,
        step: int,
        steps: int,
        samples: tuple[int, int],
        x0: Tensor,
        model: Model,
        decode: Callable[[], Tensor] | None = None,
    ) -> None:
        """Tell about a step; ``decode`` is for an ``x0`` that is not the model's.

        Raises:
            Stopped: If the callback asks for it.
        """
        self.ask()
        self.step = step
        if self.on_step is None:
            return
        from scumble.models.latent_colors import latent_colors

        quick = None if decode is not None else lambda: latent_colors(model, x0)
        looks = decode or (lambda: model.decode(x0))
        progress = Progress(step, steps, samples, x0, looks, quick, model.factor, stage=self.stage)
        if self.on_step(progress) is False:
            raise Stopped
