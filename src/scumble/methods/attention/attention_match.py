"""Cross-attention guidance: x is moved until an edited row looks where the source looked (arXiv 2302.03027)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.control import Control, RunState
from scumble.core.traits import Traits
from scumble.energies.sites import site_sizes
from scumble.methods.attention.attention_reference import Maps, Reference
from scumble.models.early_exit import early_exit, leave
from scumble.models.taps import Tap

__all__ = ["AttentionMatch", "matching_rate"]


PUBLISHED_RATE, PUBLISHED_PLACES = 0.1, (5 * (64**2 + 32**2 + 16**2) + 8**2) / 64**2
"""Step size for Stable Diffusion 1, and its cross-attention queries per cell of the latent."""


@dataclass
class AttentionMatch(Control):
    """One gradient step on x per step of the run, towards the source's cross-attention; then the step as usual.

    The loss of a row is the sum over queries and tokens of the squared difference, mean over heads, halved: the
    share of one of the published code's two rows.

    Args:
        paths: Cross-attention modules.
        reference: Gives the source's attention.
        cond: Conditioning of the edited row.
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


def matching_rate(denoiser: nn.Module, shape: Sequence[int]) -> float:
    """Return the step size of :class:`AttentionMatch` for a network and latents (B, C, h, w).

    The loss sums over queries, so the gradient per cell of the latent grows with the queries per cell; the published
    rate is scaled by that.
    """
    queries = sum(h * w for h, w in site_sizes(denoiser, shape).values())
    return PUBLISHED_RATE * PUBLISHED_PLACES * (shape[2] * shape[3]) / queries
