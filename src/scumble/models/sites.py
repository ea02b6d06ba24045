"""Places where taps can attach: named modules of a U-Net, and how coarse each is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from torch import nn

from scumble.errors import MethodError, nearest

__all__ = ["KINDS", "Site", "sites"]

Place = Literal["down", "mid", "up"]
KINDS = ("cross_attention", "self_attention", "resnet", "down_block", "mid_block", "up_block")


@dataclass(frozen=True)
class Site:
    """A place in a network.

    Attributes:
        path: Module path, as in ``Tap.site``.
        kind: One of ``KINDS``.
        place: In which part of the U-Net it lies.
        divisor: How many times smaller than the network's input its output is (for attention: its queries).
    """

    path: str
    kind: str
    place: Place
    divisor: int


def sites(denoiser: nn.Module, kind: str) -> tuple[Site, ...]:
    """Return all sites of a kind, in the order in which the network runs through them.

    Raises:
        MethodError: If the kind is not one of ``KINDS``.
    """
    if kind not in KINDS:
        raise MethodError(f"sites are of the kinds {', '.join(KINDS)}, not {kind!r}{nearest(kind, KINDS)}")
    return tuple(site for site in _walk(denoiser) if site.kind == kind)


def _walk(unet: Any) -> Iterator[Site]:
    divisor = 1
    for i, block in enumerate(unet.down_blocks):
        yield from _inside(block, f"down_blocks.{i}", "down", divisor)
        divisor *= 2 if getattr(block, "downsamplers", None) is not None else 1
        yield Site(f"down_blocks.{i}", "down_block", "down", divisor)
    if unet.mid_block is not None:
        yield from _inside(unet.mid_block, "mid_block", "mid", divisor)
        yield Site("mid_block", "mid_block", "mid", divisor)
    for i, block in enumerate(unet.up_blocks):
        yield from _inside(block, f"up_blocks.{i}", "up", divisor)
        divisor //= 2 if getattr(block, "upsamplers", None) is not None else 1
        yield Site(f"up_blocks.{i}", "up_block", "up", divisor)


def _inside(block: Any, path: str, place: Place, divisor: int) -> Iterator[Site]:
    """Blocks run resnet, attention, resnet, attention, …; the mid block has one resnet more."""
    resnets, attentions = getattr(block, "resnets", ()), getattr(block, "attentions", ())
    for i, (resnet, attention) in enumerate(zip_longest(resnets, attentions)):
        if resnet is not None:
            yield Site(f"{path}.resnets.{i}", "resnet", place, divisor)
        if attention is not None:
            yield from _attention(attention, f"{path}.attentions.{i}", place, divisor)


def _attention(module: Any, path: str, place: Place, divisor: int) -> Iterator[Site]:
    if hasattr(module, "to_q"):
        yield Site(path, _kind(module), place, divisor)
        return
    for j, block in enumerate(getattr(module, "transformer_blocks", ())):
        for name in ("attn1", "attn2"):
            attention = getattr(block, name, None)
            if attention is not None:
                yield Site(f"{path}.transformer_blocks.{j}.{name}", _kind(attention), place, divisor)


def _kind(attention: Any) -> str:
    return "cross_attention" if attention.is_cross_attention else "self_attention"
