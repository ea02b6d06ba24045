"""The protocol of controls: six hooks of a denoising run, and the state they see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.cost import Cost
from scumble.core.noise import NoiseSource
from scumble.core.prediction import Prediction, noised
from scumble.core.schedule import Level
from scumble.core.solver import Evaluation, Solver
from scumble.core.traits import Traits

__all__ = [
    "Constraint",
    "RunState",
    "Control",
    "Transition",
    "Network",
    "PartialNetwork",
    "Branch",
    "Start",
    "StepResult",
    "Trajectory",
]


class Network(Protocol):
    """A denoising network as the loop sees it. ``taps`` are opaque to the loop (see ``models/taps.py``)."""

    clip_sample: float | None

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Any] = ()
    ) -> Prediction:
        """Predict for ``x`` (B, C, H, W) at one level, or at one level per row."""
        ...


@runtime_checkable
class PartialNetwork(Protocol):
    """A network that can leave out places: what it returns there is arbitrary."""

    def predict_part(self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, unused: Tensor) -> Prediction:
        """Predict for ``x`` (B, C, H, W) where ``unused`` (1, 1, H, W) is False."""
        ...


@dataclass(frozen=True)
class Branch:
    """One evaluation of the network at a step, for every sample of the batch.

    Attributes:
        name: Name by which hooks look it up: ``cond``, ``uncond``, ``source``, ``reference``, …
        cond: Conditioning of the row; one row, or one per sample.
        x: The tensor to evaluate; None means the run's own ``x``.
        grad: Whether the evaluation keeps its graph (then ``ctx.leaf`` is the leaf for rows without an ``x``).
        known: The prediction, where it is known beforehand: then the network is not asked.
    """

    name: str
    cond: Conditioning
    x: Tensor | None = None
    grad: bool = False
    known: Prediction | None = None


@dataclass(frozen=True)
class Start:
    """The start of a run: ``x`` at the level of step ``index``."""

    x: Tensor
    index: int = 0


@dataclass(frozen=True)
class Transition:
    """A step on its way to the next level: ``x = mean + std noise``, before the noise is drawn.

    Attributes:
        prediction: The prediction the step was made of.
        mean: Mean at the next level.
        std: Standard deviation of the step's noise.
        noise: Standard normal noise, or None while it is not drawn (it is drawn last, and only when std > 0).
        residual: Added after the noise: what rounding takes from a stored step, so that it lands to the last bit.
        jump: Where the run goes on instead of at the next level (a repeat or a restart). Constraints then act in that
            step's ``before``, not at the end of this one.
    """

    prediction: Prediction
    mean: Tensor
    std: float | Tensor
    noise: Tensor | None = None
    residual: Tensor | None = None
    jump: Start | None = None

    def shifted(self, offset: Tensor) -> Transition:
        """Return the move with its mean shifted."""
        return replace(self, mean=self.mean + offset)

    def noisy(self, ctx: RunState) -> Transition:
        """Return the move with its noise, drawn where the step has some and none was given."""
        if self.noise is not None or not (isinstance(self.std, Tensor) or self.std > 0):
            return self
        return replace(self, noise=ctx.normal("step"))


@dataclass(frozen=True)
class StepResult:
    """A finished step, as callbacks see it.

    Attributes:
        move: How it was made, with its noise.
        x: The tensor it led to (B, C, H, W), at ``level``.
        index: Index of the step at which the run goes on.
    """

    move: Transition
    x: Tensor
    index: int

    @property
    def prediction(self) -> Prediction:
        """The prediction the step was made of."""
        return self.move.prediction


@dataclass
class RunState:
    """The state of one run, for hooks. Fields are replaced by the loop at every step; hooks read them.

    Attributes:
        network: The network, counted: calls through :meth:`evaluate` enter the cost.
        levels: The N + 1 levels of the run.
        solver: The rule of a step.
        noise: The noise source of the batch.
        shape: Shape (B, C, H, W) of the run.
        device: Where the run's tensors live.
        cost: Running totals.
        i: Index of the step; ``levels[i]`` is its level.
        repeat: How often the run came to this step before (more than 0 only after a jump).
        history: The evaluations so far, newest last (as many as the solver remembers).
        layout: Which batch rows belong to which row name, during and after an evaluation (for taps).
        leaf: The leaf tensor of this step's rows with a graph, else None.
        gradients: How many controls are still to take a gradient through this step's graph: it is freed by the last.
        tag: Prefix of every noise stream's name, for methods that run the loop more than once.
    """

    network: Network
    levels: tuple[Level, ...]
    solver: Solver
    noise: NoiseSource
    shape: tuple[int, ...]
    device: torch.device
    cost: Cost
    i: int = 0
    repeat: int = 0
    history: list[Evaluation] = field(default_factory=list)
    layout: dict[str, slice] = field(default_factory=dict)
    leaf: Tensor | None = None
    gradients: int = 0
    tag: str = ""

    @property
    def level(self) -> Level:
        """The level of ``x`` before the step."""
        return self.levels[self.i]

    @property
    def next_level(self) -> Level:
        """The level of ``x`` after the step."""
        return self.levels[self.i + 1]

    @property
    def steps(self) -> int:
        """Number of steps of the whole run."""
        return len(self.levels) - 1

    def normal(self, stream: str, step: int | None = None) -> Tensor:
        """Noise of the run's shape from a named stream, at the current visit of the current step or at a given step."""
        if step is None:
            step, stream = self.i, f"{stream}/visit{self.repeat}" if self.repeat else stream
        return self.noise.normal(self.shape, self.tag + stream, step).to(self.device)

    def noised(self, x0: Tensor, eps: Tensor, index: int) -> Tensor:
        """``x0`` noised to the level of step ``index``."""
        return noised(x0, eps, self.levels[index])

    def evaluate(
        self,
        x: Tensor,
        level: Level | Sequence[Level],
        cond: Conditioning,
        taps: Sequence[Any] = (),
        grad: bool = False,
        unused: Tensor | None = None,
    ) -> Prediction:
        """Evaluate the network once; counted. ``grad`` keeps the graph; ``unused`` (1, 1, H, W) need not be right."""
        self.cost.forward(x.shape[0])
        with torch.set_grad_enabled(grad):
            if unused is not None and not taps and isinstance(self.network, PartialNetwork):
                return self.network.predict_part(x, level, cond.expand(x.shape[0]), unused)
            return self.network.predict(x, level, cond.expand(x.shape[0]), taps)


class Trajectory(Protocol):
    """An image at each noise level of a run: ``trajectory(ctx, i)`` is its x at the level of step i, clean at N.

    It has one row, or one for each sample.
    """

    def __call__(self, ctx: RunState, i: int, /) -> Tensor:
        """Return x (1 or B, C, H, W)."""
        ...


class Control:
    """Base of everything that acts inside a run. Every hook does nothing; override those you need.

    The loop calls hooks in the order of the list; see :class:`Constraint` for what comes around them.
    """

    def traits(self, ctx: RunState) -> Traits:
        """Return what the control declares about itself in this run, for :mod:`scumble.controls.conflicts`."""
        return Traits()

    def check(self, ctx: RunState) -> None:
        """Refuse a run in which the control has no meaning; asked before a run that a user put together."""

    def beside(self, controls: Sequence[Control]) -> Control:
        """Return the control as it acts beside others: with what it needs to know of them."""
        return self

    def start(self, ctx: RunState) -> Start | None:
        """Return where the run begins, or None to leave that to another control (the first answer counts)."""
        return None

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Return the rows to evaluate at this step, given those that earlier controls asked for."""
        return rows

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Return activations to read or write during the evaluation of this step's rows."""
        return ()

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Return ``x`` at the current level, changed before the network sees it."""
        return x

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Return the step's prediction, given each row's and what earlier controls made of them (at first: the first
        row's).

        Where a row asked for a graph, this hook runs with gradients enabled, whatever the caller's mode.
        """
        return prediction

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Return the move, changed: its mean, its noise (not yet drawn, if None), or where it jumps to."""
        return move


class Constraint(Control):
    """A control that puts back what must stay.

    Constraints act first and again last in ``before``, and on the finished x of a step: so nothing leaks into what
    they keep.
    """

    def settle(self, ctx: RunState, x: Tensor) -> Tensor:
        """Return ``x`` at the level after the step, with what must stay put back."""
        return x

    def discards(self, ctx: RunState) -> Tensor | None:
        """Return where (1 or B, 1, H, W) nothing of this step's prediction reaches the result; None: not known."""
        return None


Callback = Callable[[RunState, StepResult], bool | None]
