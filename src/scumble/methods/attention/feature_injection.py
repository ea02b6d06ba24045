"""Layout of a source picture put into another run: decoder features and self-attention queries and keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Trajectory
from scumble.core.traits import Replacement, Traits
from scumble.methods.attention.injection_sites import InjectionSites
from scumble.methods.attention.source_features import SourceFeatures
from scumble.models.taps import Tap

__all__ = ["FeatureInjection"]


@dataclass
class FeatureInjection(Control):
    """Plug-and-Play's injection (arXiv 2211.12572 section 4): the edited rows get the source's decoder feature and
    self-attention (its queries and keys; values stay their own, and so does the fused path).

    Args:
        sites: Which modules.
        trajectory: The source at each level (1 or B, C, h, w).
        cond: Conditioning of the source.
        feature_steps: Steps of the run at which the feature is injected.
        attention_steps: Steps of the run at which queries and keys are injected.
        cache: Where the source's activations are kept; without it, and at steps that it has no room for, the source
            is evaluated as one more row.
        targets: Rows that are overwritten.
        chunk: Steps per network call when the cache is filled; None lets the memory decide.
    """

    sites: InjectionSites
    trajectory: Trajectory
    cond: Conditioning
    feature_steps: range
    attention_steps: range
    cache: SourceFeatures | None = None
    targets: tuple[str, ...] = ("uncond", "cond")
    chunk: int | None = None

    def traits(self, ctx: RunState) -> Traits:
        """Self-attention gets the source's queries and keys."""
        layers = frozenset(path.rpartition(".to_")[0] for path in self.sites.attention)
        return Traits(
            replaces_self_attention=Replacement(layers, frozenset(self.attention_steps)), edits_attention=True
        )

    def wanted(self, step: int) -> tuple[str, ...]:
        """Modules whose outputs are injected at a step of the run."""
        feature = (self.sites.feature,) if step in self.feature_steps else ()
        return (*feature, *(self.sites.attention if step in self.attention_steps else ()))

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Make sure that the source is known, or ask for its row."""
        if not self.wanted(ctx.i):
            return rows
        if self.cache is not None and not self._cached(ctx.i):
            ahead = {i: self.wanted(i) for i in range(ctx.i, ctx.steps)}
            self.cache.record(ctx, self.trajectory, self.cond, ahead, self.chunk)
        if self._cached(ctx.i):
            return rows
        return [*rows, Branch("source", self.cond, self.trajectory(ctx, ctx.i))]

    def _cached(self, step: int) -> bool:
        return self.cache is not None and set(self.wanted(step)) <= set(self.cache.known.get(step, {}))

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Overwrite the edited rows."""
        cached = self.cache.known.get(ctx.i, {}) if self.cache is not None and self._cached(ctx.i) else {}
        return [self._writer(ctx, path, cached.get(path)) for path in self.wanted(ctx.i)]

    def _writer(self, ctx: RunState, path: str, known: Tensor | None) -> Tap:
        def write(output: Tensor) -> Tensor | None:
            if known is None and "source" not in ctx.layout:
                return None
            source = output[ctx.layout["source"]] if known is None else known
            edited = output.clone()
            for name in self.targets:
                if name in ctx.layout:
                    edited[ctx.layout[name]] = source
            return edited

        return Tap(path, write)
