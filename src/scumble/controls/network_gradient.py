"""Guidance by a loss: its gradient through the network, from the one evaluation that the step needs anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from scumble.controls.cap import limit_norm
from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Transition
from scumble.core.prediction import Prediction

__all__ = ["Decoded", "NetworkGradient", "Term"]


class Term(Protocol):
    """A loss of a clean picture, one value per sample, that gives its own gradient.

    Attributes:
        of: Which picture it judges: ``x0``, the prediction, or ``mixed``, ``s x0 + (1 - s) x_t``.
    """

    of: Literal["x0", "mixed"]

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each sample (B,) and the gradient of their sum (B, C, h, w)."""
        ...


@dataclass
class Decoded:
    """Terms of pictures as one term of latents: the prediction is decoded once, and the sum of their gradients goes
    back through the decoder.

    Args:
        terms: Losses of a picture; all judge the decoded prediction, also those of ``mixed``: a latent mixed with noise
            decodes to nothing that they know.
        decode: From a latent (B, C, h, w) to a picture (B, 3, H, W) in [-1, 1].
    """

    terms: Sequence[Term]
    decode: Callable[[Tensor], Tensor]
    of: Literal["x0", "mixed"] = "x0"

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summed loss of each sample (B,) and the gradient of their sum at the latent (B, C, h, w)."""
        with torch.enable_grad():
            leaf = picture.detach().requires_grad_(True)
            seen = self.decode(leaf)
        found = [term(ctx, seen.detach()) for term in self.terms]
        (through,) = torch.autograd.grad(seen, leaf, torch.stack([slope for _, slope in found]).sum(0))
        return torch.stack([loss for loss, _ in found]).sum(0), through


@dataclass
class NetworkGradient(Control):
    """Push every step down the gradient of a sum of terms with respect to ``x_t``, through the network.

    The terms give ``d loss / d picture``; one vector-Jacobian product carries it through the network's only forward
    of the step. At ``mean`` the mean moves by ``-Sigma grad`` (arXiv 2105.05233 algorithm 1), at ``eps`` the noise by
    ``+s grad`` (its algorithm 2). Samples do not see each other. Where a step adds no noise a shift of the mean by
    Sigma is nothing: no gradient is taken there, nor where there are no terms.

    Behind classifier-free guidance the terms judge the guided picture, and the gradient goes through the conditional
    row alone.

    Args:
        terms: Losses that share the one backward.
        cond: What the network is told, where nobody in front of this asks for the row.
        place: ``mean`` for ancestral sampling, ``eps`` for DDIM.
        cap: Limit of the shift, as a share of the predicted noise (``eps``) or of the noise that the step adds
            (``mean``), both root mean square, each sample by itself. None: no limit, as published.
    """

    terms: Sequence[Term]
    cond: Conditioning = field(default_factory=Conditioning)
    place: Literal["mean", "eps"] = "mean"
    cap: float | None = None
    losses: Tensor | None = None
    gradient: Tensor | None = None

    def wanted(self, ctx: RunState) -> bool:
        """Whether this step takes a gradient."""
        return bool(self.terms) and (self.place == "eps" or ctx.next_level.s > 0)

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Ask for the graph of the conditional row where a gradient is to be taken, and for the row if nobody has."""
        if all(row.name != "cond" for row in rows):
            rows = [*rows, Branch("cond", self.cond)]
        return [replace(row, grad=row.grad or self.wanted(ctx)) if row.name == "cond" else row for row in rows]

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Take the gradient; at ``eps`` apply it."""
        made, self.gradient = prediction, None
        if not self.wanted(ctx):
            return made
        assert ctx.leaf is not None
        self.gradient = self.through_network(ctx, ctx.leaf, rows["cond"], made.x0)
        if self.place == "mean":
            return made
        eps = made.eps.detach() + limit_norm(ctx.level.s * self.gradient, made.eps.detach(), self.cap)
        return Prediction.from_eps(eps, ctx.leaf.detach(), ctx.level, made.variance)

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """At ``mean`` apply the gradient."""
        if self.gradient is None or self.place == "eps":
            return move
        noise = torch.as_tensor(move.std, dtype=move.mean.dtype, device=move.mean.device).expand_as(move.mean)
        return move.shifted(-limit_norm(noise**2 * self.gradient, noise, self.cap))

    def through_network(self, ctx: RunState, leaf: Tensor, found: Prediction, x0: Tensor | None = None) -> Tensor:
        """Return the gradient of all terms at ``x_t`` (B, C, h, w).

        Args:
            ctx: The run.
            leaf: ``x_t``.
            found: The prediction with the graph to it.
            x0: The clean tensor that the terms judge, where it is not that prediction's.
        """
        x0, x_t, s = (found.x0 if x0 is None else x0).detach(), leaf.detach(), ctx.level.s
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
