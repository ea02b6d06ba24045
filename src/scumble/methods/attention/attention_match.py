"""Cross-attention guidance: x is moved until an edited row looks where the source looked (arXiv 2302.03027)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Trajectory
from scumble.core.guidance import Guidance
from scumble.core.prediction import Prediction
from scumble.core.solvers import Evaluation
from scumble.core.traits import Traits
from scumble.energies.sites import site_sizes
from scumble.models.early_exit import early_exit, leave, reading, reading_until_complete
from scumble.models.taps import Tap

__all__ = ["AttentionMatch", "StoredReference", "TwinMatch", "WalkingReference", "matching_rate"]

Maps = dict[str, Tensor]

PUBLISHED_RATE, PUBLISHED_PLACES = 0.1, (5 * (64**2 + 32**2 + 16**2) + 8**2) / 64**2
"""Step size for Stable Diffusion 1, and its cross-attention queries per cell of the latent."""


@dataclass
class StoredReference:
    """The source's attention at a step, from its stored path: one row, and only as much of the network as is needed.

    Args:
        cond: What the source shows.
        trajectory: Its x at each level (1 or B, C, h, w).
    """

    cond: Conditioning
    trajectory: Trajectory

    def __call__(self, ctx: RunState, paths: Sequence[str]) -> list[Maps]:
        """Return the probabilities (B, heads, queries, K) of each layer, of the conditional row alone."""
        maps: Maps = {}
        with early_exit():
            taps = reading_until_complete(paths, maps, "probs")
            ctx.evaluate(self.trajectory(ctx, ctx.i), ctx.level, self.cond, taps)
        return [maps]


@dataclass
class WalkingReference:
    """The source sampled in lock-step, as the published reference pass does: only one step's attention is kept.

    Args:
        guidance: Its words; equal ones make it a single row.
        x: Where it begins (B, C, h, w).
    """

    guidance: Guidance
    x: Tensor
    xs: list[Tensor] = field(default_factory=list)

    def __call__(self, ctx: RunState, paths: Sequence[str]) -> list[Maps]:
        """Return the probabilities of the rows, and go one step further."""
        rows, attention, batch = self.guidance.planned, Maps(), self.x.shape[0]
        cond = Conditioning.cat([row.cond.expand(batch) for row in rows])
        joint = ctx.evaluate(torch.cat([self.x] * len(rows)), ctx.level, cond, reading(paths, attention, "probs"))
        prediction = self.guidance.combine(self.guidance.split(joint))
        self.x, _ = ctx.solver.step([Evaluation(ctx.i, ctx.level, self.x, prediction)], ctx.next_level)
        self.xs.append(self.x)
        return [{path: maps.split(batch)[k] for path, maps in attention.items()} for k in range(len(rows))]


Reference = Callable[[RunState, Sequence[str]], list[Maps]]


@dataclass
class AttentionMatch(Control):
    """One gradient step on x per step of the run, towards the source's cross-attention; then the step as usual.

    The loss of a row is the sum over queries and tokens of the squared difference, mean over heads, halved: the
    share of one of the published code's two rows.

    Args:
        paths: Cross-attention modules.
        reference: Gives the source's attention.
        cond: What the edited row is told.
        rate: Step size; 0: nothing is evaluated.
        losses: The loss before each step's move.
    """

    paths: Sequence[str]
    reference: Reference
    cond: Conditioning
    rate: float = 0.1
    losses: list[float] = field(default_factory=list)
    gradient: Tensor | None = None

    def traits(self, ctx: RunState) -> Traits:
        """It moves x by the attention of the edited branch."""
        return Traits(edits_attention=True)

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Move x."""
        if not self.rate:
            return x
        wanted = self.reference(ctx, self.paths)[-1]
        gradient, loss = self.slope(ctx, x, self.cond, wanted)
        self.losses.append(loss)
        return x - self.rate * gradient

    def slope(self, ctx: RunState, x: Tensor, cond: Conditioning, wanted: Maps) -> tuple[Tensor, float]:
        """Return the gradient at x of the loss against ``wanted``, and the loss; the network is left early."""
        leaf = x.detach().requires_grad_(True)
        terms: Maps = {}

        def tap(path: str) -> Tap:
            def compare(probs: Tensor) -> None:
                difference = (probs.float() - wanted[path].float()).square().sum((2, 3)).mean(1)
                terms[path] = 0.5 * difference.sum()
                if len(terms) == len(self.paths):
                    leave()

            return Tap(path, compare, "probs")

        with early_exit():
            ctx.evaluate(leaf, ctx.level, cond, [tap(path) for path in self.paths], grad=True)
        with torch.enable_grad():
            loss = torch.stack([*terms.values()]).sum()
            (gradient,) = torch.autograd.grad(loss, leaf)
        ctx.cost.backward(x.shape[0])
        self.gradient = gradient
        return gradient, float(loss.detach())


@dataclass
class TwinMatch(AttentionMatch):
    """The published code's rule: two copies of x, one per row of guidance, each moved by its own row's attention.

    The trajectory goes on from the unconditional copy; the edited copy is used for its prediction and then dropped.

    Args:
        uncond: What the other row is told.
    """

    uncond: Conditioning = field(default_factory=Conditioning)
    twin: Tensor | None = None
    x: Tensor | None = None

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Move both copies."""
        wanted = self.reference(ctx, self.paths)
        both = Conditioning.cat([self.uncond.expand(x.shape[0]), self.cond.expand(x.shape[0])])
        joint = {path: torch.cat([wanted[0][path], wanted[-1][path]]) for path in self.paths}
        gradient, loss = self.slope(ctx, torch.cat([x, x]), both, joint)
        self.losses.append(loss)
        self.x, self.twin = (torch.cat([x, x]) - self.rate * gradient).chunk(2)
        return self.x

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Evaluate the conditional row at its own copy."""
        return [replace(row, x=self.twin) if row.name == "cond" else row for row in rows]

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Take the guided noise at the unconditional copy."""
        return prediction if self.x is None else Prediction.from_eps(prediction.eps, self.x, ctx.level)


def matching_rate(denoiser: nn.Module, shape: Sequence[int]) -> float:
    """Return the step size of :class:`AttentionMatch` for a network and latents (B, C, h, w).

    The loss sums over queries, so the gradient per cell of the latent grows with the queries per cell; the published
    rate is scaled by that.
    """
    queries = sum(h * w for h, w in site_sizes(denoiser, shape).values())
    return PUBLISHED_RATE * PUBLISHED_PLACES * (shape[2] * shape[3]) / queries
