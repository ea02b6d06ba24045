"""Attention of a source row put into the edited row: what is new comes from the words, the rest stays in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scumble.core.control import Control, RunState
from scumble.core.traits import Replacement, Traits
from scumble.methods.attention.swap_sites import SwapSites
from scumble.methods.attention.token_alignment import TokenMap
from scumble.models.taps import Tap

__all__ = ["AttentionSwap"]


@dataclass
class AttentionSwap(Control):
    """Prompt-to-Prompt's control of attention (arXiv 2208.01626 section 3.2, algorithm 1).

    With A_s, A_t the probabilities of the source and of the edited row, map (M, o), weights e and gate g of the step:
    ``A_t <- g e (A_s M + o A_t) + (1 - g) A_t`` in cross-attention (columns of g, e, o are tokens), and ``A_t <- A_s``
    in coarse self-attention, there by giving the edited row the source's queries and keys, so that the fused path
    stays. Only the rows named are touched. Probabilities are materialised where a gate is open, nowhere else.

    Args:
        sites: Which layers.
        token_map: M (L, L) and o (L,), or with a leading batch of one map per sample.
        gates: (n, L) or (n, B, L): row k for the k-th step from ``first``.
        weights: e, (L,) or (B, L); None for 1.
        self_window: Steps from ``first`` during which self-attention is held.
        first: The step at which the run begins.
        source: Row whose attention is taken: one for all samples, or one per sample.
        target: Row that is edited.
    """

    sites: SwapSites
    token_map: TokenMap
    gates: Tensor
    weights: Tensor | None = None
    self_window: range = range(0)
    first: int = 0
    source: str = "source"
    target: str = "cond"

    def traits(self, ctx: RunState) -> Traits:
        """Self-attention is replaced while its window is open, cross-attention where the gates leave nothing of it."""
        opened = frozenset(k + self.first for k in range(len(self.gates)) if bool((self.gates[k] >= 1).all()))
        before = frozenset(range(self.first))  # nothing is read before the run begins
        return Traits(
            replaces_self_attention=Replacement(
                frozenset(self.sites.own), frozenset(k + self.first for k in self.self_window)
            ),
            replaces_cross_attention=Replacement(frozenset(self.sites.cross), opened | before),
            edits_attention=True,
        )

    @property
    def until(self) -> int:
        """The first step at which nothing is edited, so that the source row is not needed."""
        still_open = self.gates.flatten(1).any(1).nonzero()
        last = int(still_open[-1]) + 1 if len(still_open) else 0
        return self.first + max(last, self.self_window.stop if self.self_window else 0)

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Edit cross-attention while a gate is open, self-attention inside its window."""
        k = ctx.i - self.first
        edits: list[Tap] = []
        if 0 <= k < len(self.gates) and bool(self.gates[k].any()):
            taken, remaining = self._mixture(self.gates[k], ctx.device)

            def edit(probs: Tensor) -> Tensor | None:
                return self._edit(ctx, probs, taken, remaining)

            edits += [Tap(path, edit, "probs") for path in self.sites.cross]
        if k in self.self_window:

            def copy(states: Tensor) -> Tensor | None:
                return self._copy(ctx, states)

            edits += [Tap(f"{path}.{part}", copy) for path in self.sites.own for part in ("to_q", "to_k")]
        return edits

    def _mixture(self, gate: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """``A_t <- A_s taken + A_t kept``: (…, L, L) and (…, 1, L) for one step."""
        scale = gate if self.weights is None else gate * self.weights
        taken = self.token_map.matrix * scale.unsqueeze(-2)
        remaining = (scale * self.token_map.own + (1 - gate)).unsqueeze(-2)
        if taken.dim() == 3:  # one per sample: room for the heads
            taken, remaining = taken.unsqueeze(1), remaining.unsqueeze(1)
        return taken.to(device), remaining.to(device)

    def _edit(self, ctx: RunState, probs: Tensor, taken: Tensor, remaining: Tensor) -> Tensor | None:
        rows = self._rows(ctx)
        if rows is None:
            return None
        source, target = rows
        edited = probs.clone()
        edited[target] = probs[source] @ taken + probs[target] * remaining
        return edited

    def _copy(self, ctx: RunState, states: Tensor) -> Tensor | None:
        rows = self._rows(ctx)
        if rows is None:
            return None
        source, target = rows
        edited = states.clone()
        edited[target] = states[source]
        return edited

    def _rows(self, ctx: RunState) -> tuple[slice, slice] | None:
        if self.source not in ctx.layout or self.target not in ctx.layout:
            return None
        return ctx.layout[self.source], ctx.layout[self.target]
