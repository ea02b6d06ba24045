"""Mutual self-attention: a row attends to a reference with its own queries (arXiv 2304.08465, as in 2306.14435)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from scumble.core.control import Control, RunState
from scumble.core.traits import Replacement, Traits
from scumble.errors import MethodError
from scumble.models.sites import sites
from scumble.models.taps import Tap

__all__ = ["ReferenceAttention", "reference_layers"]

FINE = 2
"""Decoder layers at the network's full size and at half of it carry appearance: layers 10 to 15 of Stable Diffusion."""


def reference_layers(denoiser: nn.Module, start_layer: int | None = None) -> tuple[str, ...]:
    """Return the self-attention layers in which a reference is looked at.

    Args:
        denoiser: The network.
        start_layer: All from this one on, counted in the order in which they run; None: those of the decoder at full
            and half size, which are the published ones in Stable Diffusion 1 and 2.

    Raises:
        MethodError: If there is none.
    """
    known = sites(denoiser, "self_attention")
    chosen = (
        tuple(site.path for site in known if site.place == "up" and site.divisor <= FINE)
        if start_layer is None
        else tuple(site.path for site in known[start_layer:])
    )
    if not chosen:
        raise MethodError(
            f"this network has {len(known)} self-attention layers, and none of those asked for: a reference cannot be"
            " looked at; lower start_layer, or use drag-noise"
        )
    return chosen


@dataclass
class ReferenceAttention(Control):
    """Give rows the self-attention keys and values of their reference rows; queries stay their own.

    Args:
        layers: Paths of the attention modules.
        first: First step at which it acts.
        sources: Row -> its reference row. The reference itself is not changed.
    """

    layers: Sequence[str]
    first: int = 0
    sources: Mapping[str, str] = field(
        default_factory=lambda: {"cond": "source", "weak": "source", "uncond": "source_uncond"}
    )

    def traits(self, ctx: RunState) -> Traits:
        """Self-attention gets the reference's keys and values."""
        steps = frozenset(range(self.first, ctx.steps))
        return Traits(replaces_self_attention=Replacement(frozenset(self.layers), steps), edits_attention=True)

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Overwrite keys and values in every layer."""
        if ctx.i < self.first:
            return ()

        def borrow(states: Tensor) -> Tensor | None:
            result = None
            for name, source in self.sources.items():
                if name in ctx.layout and source in ctx.layout:
                    result = states.clone() if result is None else result
                    place, reference = ctx.layout[name], states[ctx.layout[source]]
                    result[place] = reference.expand(place.stop - place.start, *states.shape[1:])
            return result

        return [Tap(f"{path}.{part}", borrow) for path in self.layers for part in ("to_k", "to_v")]
