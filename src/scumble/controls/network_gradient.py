"""Guidance by a loss: its gradient through the network, from the one evaluation that the step needs anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Context, Control, Move, Row
from scumble.core.prediction import Prediction

__all__ = ["NetworkGradient", "Term"]


class Term(Protocol):
    """A loss of a clean picture, one value per sample, that gives its own gradient.

    Attributes:
        of: Which picture it judges: ``x0``, the prediction, or ``mixed``, ``s x0 + (1 - s) x_t``.
    """

    of: Literal["x0", "mixed"]

    def __call__(self, ctx: Context, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each sample (B,) and the gradient of their sum (B, C, h, w)."""
        ...


@dataclass
class NetworkGradient(Control):
    """Push every step down the gradient of a sum of terms with respect to ``x_t``, through the network.

    The terms give ``d loss / d picture``; one vector-Jacobian product carries it through the network's only forward
    of the step. At ``mean`` the mean moves by ``-Sigma grad`` (arXiv 2105.05233 algorithm 1), at ``eps`` the noise by
    ``+s grad`` (its algorithm 2). Samples do not see each other. Where a step adds no noise a shift of the mean by
    Sigma is nothing: no gradient is taken there, nor where there are no terms.

    Args:
        terms: Losses that share the one backward.
        cond: What the network is told.
        place: ``mean`` for ancestral sampling, ``eps`` for DDIM.
    """

    terms: Sequence[Term]
    cond: Conditioning = field(default_factory=Conditioning)
    place: Literal["mean", "eps"] = "mean"
    losses: Tensor | None = None
    gradient: Tensor | None = None

    def wanted(self, ctx: Context) -> bool:
        """Whether this step takes a gradient."""
        return bool(self.terms) and (self.place == "eps" or ctx.target.s > 0)

    def rows(self, ctx: Context, rows: list[Row]) -> list[Row]:
        """Ask for one row, with its graph where a gradient is to be taken."""
        return [*rows, Row("cond", self.cond, grad=self.wanted(ctx))]

    def predict(self, ctx: Context, rows: Mapping[str, Prediction], prediction: Prediction | None) -> Prediction | None:
        """Take the gradient; at ``eps`` apply it."""
        found, self.gradient = rows["cond"], None
        if not self.wanted(ctx):
            return found
        assert ctx.leaf is not None
        self.gradient = self.through_network(ctx, ctx.leaf, found)
        if self.place == "mean":
            return found
        eps = found.eps.detach() + ctx.level.s * self.gradient
        return Prediction.from_eps(eps, ctx.leaf.detach(), ctx.level, found.variance)

    def after(self, ctx: Context, move: Move) -> Move:
        """At ``mean`` apply the gradient."""
        if self.gradient is None or self.place == "eps":
            return move
        return move.shifted(-(move.std**2) * self.gradient)

    def through_network(self, ctx: Context, leaf: Tensor, found: Prediction) -> Tensor:
        """Return the gradient of all terms at ``x_t`` (B, C, h, w), given a prediction with the graph to ``leaf``."""
        x0, x_t, s = found.x0.detach(), leaf.detach(), ctx.level.s
        mixed = s * x0 + (1 - s) * x_t
        at_x0, at_x_t = torch.zeros_like(x0), torch.zeros_like(x0)
        losses = []
        for term in self.terms:
            loss, slope = term(ctx, x0 if term.of == "x0" else mixed)
            losses.append(loss.detach())
            at_x0 += slope if term.of == "x0" else s * slope
            at_x_t += 0 if term.of == "x0" else (1 - s) * slope
        self.losses = torch.stack(losses)
        (through,) = torch.autograd.grad(found.x0, leaf, at_x0)
        ctx.cost.backward(leaf.shape[0])
        return through + at_x_t
