"""The protocol of energies: differentiable objectives, lower is better, and what they observe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from scumble.core.rounding import SLACK

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import RunState

__all__ = [
    "SOURCE",
    "ActiveDuring",
    "Energy",
    "Function",
    "Judged",
    "Needs",
    "Observation",
    "Place",
    "Steps",
    "WeightedEnergy",
]

Place = Literal["x", "eps", "x0", "mean"]

SOURCE = "source"
"""Name of the row that shows the picture as it was."""

Judged = Literal["x0", "mixed"]
"""What an energy of pixels judges: the predicted picture (decoded), or that picture mixed with the noisy one."""

Steps = Callable[[int, int], float]
"""``steps(i, N)`` is the factor of a guide at step i of N; 0 means that nothing is computed there."""


@dataclass(frozen=True)
class Needs:
    """What an energy looks at; nothing else is materialised or kept in the graph.

    Attributes:
        attention: Paths of cross-attention modules whose probabilities are wanted.
        features: Paths of modules whose outputs are wanted.
        prediction: Whether it looks at x0, eps or the picture: then the graph goes through the whole network.
    """

    attention: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    prediction: bool = False


@dataclass
class Observation:
    """One row of a step as an energy sees it, with its graph where a gradient will be taken.

    Attributes:
        ctx: The run: step, level, noise.
        x: Noisy tensor (B, C, h, w).
        x0: Predicted clean tensor, or None where the network was left early.
        eps: Predicted noise, or None.
        attention: Path -> probabilities, mean over heads (B, K, h', w'): one map for each of the K tokens.
        features: Path -> output (B, C', h', w').
        decode: From x0 to a picture (B, 3, H, W) in [-1, 1].
        decoded: What it gave, once an energy has asked.
    """

    ctx: RunState
    x: Tensor
    x0: Tensor | None = None
    eps: Tensor | None = None
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    features: Mapping[str, Tensor] = field(default_factory=dict)
    decode: Callable[[Tensor], Tensor] = lambda x0: x0
    decoded: Tensor | None = None

    @property
    def clean(self) -> Tensor:
        """The predicted clean tensor; ValueError where the network was left before it."""
        if self.x0 is None:
            raise ValueError("an energy that reads the prediction must say so in reads")
        return self.x0

    @property
    def picture(self) -> Tensor:
        """The predicted picture (B, 3, H, W), decoded once for all energies."""
        if self.decoded is None:
            self.decoded = self.decode(self.clean)
        return self.decoded

    def judged(self, what: Judged) -> Tensor:
        """The picture (B, 3, H, W) that an energy judges, in about [-1, 1].

        Args:
            what: ``x0``: the predicted picture; else ``s x0 + (1 - s) x_t`` with the level's noise s, which guided
                diffusion of pixels judges (arXiv 2111.14818).
        """
        if what == "x0":
            return self.picture
        return self.ctx.level.s * self.clean + (1 - self.ctx.level.s) * self.x


class Energy(ABC):
    """A differentiable objective; lower is better. One value per sample.

    An energy that compares with another picture names that picture's row in ``source`` and reduces what it sees there
    in :meth:`measure`; only the reduced tensor is kept.
    """

    source: str | None = None

    @property
    def name(self) -> str:
        """What errors and reports call it."""
        return type(self).__name__

    @property
    @abstractmethod
    def reads(self) -> Needs:
        """What it looks at."""

    def measure(self, observation: Observation) -> Tensor | None:
        """Reduce what is seen of the source's row to what is compared with (1 or B rows)."""
        return None

    @abstractmethod
    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Return the energy of each sample (B,), given what :meth:`measure` returned at this step."""


@dataclass
class Function(Energy):
    """Any function as an energy.

    Args:
        fn: ``fn(seen)`` returns one value per sample (B,).
        looks_at: What it reads; by default the prediction, that is x0, eps and the picture.
        called: What errors call it.
    """

    fn: Callable[[Observation], Tensor]
    looks_at: Needs = field(default_factory=lambda: Needs(prediction=True))
    called: str = ""

    @property
    def name(self) -> str:
        """The given name, or the function's own."""
        return self.called or getattr(self.fn, "__name__", "function")

    @property
    def reads(self) -> Needs:
        """What was declared."""
        return self.looks_at

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Call the function."""
        return self.fn(observation)


@dataclass(frozen=True)
class ActiveDuring:
    """A factor of 1 in part of the run, given as shares of its steps.

    Attributes:
        begin: From here.
        end: To here.
        alternate: From here on at every second step only.
    """

    begin: float = 0.0
    end: float = 1.0
    alternate: float = 1.0

    def __call__(self, i: int, steps: int) -> float:
        """Return 1 or 0."""
        if not self.begin * steps - SLACK <= i < self.end * steps - SLACK:
            return 0.0
        turn = i - round(self.alternate * steps)
        return 0.0 if turn >= 0 and turn % 2 else 1.0


@dataclass(frozen=True)
class WeightedEnergy:
    """An energy at work: how strongly, when, and at which place of the step its gradient acts.

    With g the gradient at ``x_t`` and w the weight times the factor of ``steps``:

    =====  =======================================  =================================================
    place  rule                                     effect on the next x
    =====  =======================================  =================================================
    x      ``x_t <- x_t - w g`` before the step     the network is evaluated there, and reacts
    eps    ``eps <- eps + w s g``                   ``-c w s g``, ``c = (a'/a) s - sqrt(s'^2 - q^2)``
    x0     ``x0 <- x0 - w g``, the direction stays  ``-a' w g``
    mean   ``mean <- mean - w Sigma g``             ``-w Sigma g``
    =====  =======================================  =================================================

    Attributes:
        energy: The wish.
        weight: w; 0 turns it off and costs nothing.
        place: Where the gradient acts.
        steps: When, and with what factor.
        through_network: Whether the gradient goes through the network; False takes ``dx0/dx_t = 1/a``: no backward,
            and rougher. Only for energies of the prediction.
        variance: Sigma of ``mean``: that of the step's noise, as published, or ``beta / sqrt(alpha)``, which does not
            depend on eta and at eta 1 is the same as ``eps``.
        refine: At ``x``: step -> value of the energy to which it is brought there, by repeating the move.
    """

    energy: Energy
    weight: float = 1.0
    place: Place = "eps"
    steps: Steps = ActiveDuring()
    through_network: bool = True
    variance: Literal["step", "beta"] = "step"
    refine: Mapping[int, float] = field(default_factory=dict)

    def factor(self, i: int, steps: int) -> float:
        """Return w at a step; 0 where the guide rests.

        Args:
            i: The step, from 0.
            steps: Steps of the run.
        """
        return self.weight * self.steps(i, steps) if self.weight else 0.0


def per_sample(values: Tensor) -> Tensor:
    """Mean over everything but the batch: (B, …) -> (B,)."""
    return values.flatten(1).mean(1) if values.dim() > 1 else values


def distance(a: Tensor, b: Tensor, squared: bool, smooth: float = 0.0) -> Tensor:
    """Mean absolute difference of each sample, or half the mean squared one (B,).

    Args:
        a: Values (B, …).
        b: What they are compared with (B, …).
        squared: Half the squared difference in place of the absolute one.
        smooth: Where the absolute difference is below this it counts as ``d^2 / (2 smooth)`` and beyond as
            ``|d| - smooth / 2``. The slope of ``|d|`` is the sign of rounding noise where a and b are equal, which
            depends on how many samples are computed at once.
    """
    difference = a - b
    if squared:
        return per_sample(0.5 * difference.square())
    size = difference.abs()
    if not smooth:
        return per_sample(size)
    return per_sample((size.square() / (2 * smooth)).where(size < smooth, size - smooth / 2))
