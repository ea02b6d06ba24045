"""Attention with its probabilities laid open: what diffusers' fused path computes, in plain steps."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["PlainAttention", "open_attention", "replaceable"]

Look = Callable[[Tensor], Tensor | None]

_swapping = threading.Lock()

SAME_RESULT = ("AttnProcessor", "AttnProcessor2_0", "XFormersAttnProcessor", "SlicedAttnProcessor", "PlainAttention")
"""Processors that all compute softmax(q k / sqrt(d)) v with the module's own projections, and nothing more."""


def replaceable(processor: Any) -> bool:
    """Whether :class:`PlainAttention` computes the same as this processor."""
    return type(processor).__name__ in SAME_RESULT


class PlainAttention:
    """A processor for diffusers' ``Attention`` that hands its probabilities (B, heads, queries, keys) to functions.

    Scores and softmax are computed in float32 whatever the precision of the module; the functions see float32.

    It stands in for another processor for as long as anybody looks on: each who does adds a layer of functions, which
    is taken away again in whatever order they leave (:func:`open_attention`).

    Args:
        fns: Called in order; each returns None or replacement probabilities.
        before: The processor that it stands in for, if any.
    """

    def __init__(self, fns: Sequence[Look] = (), before: Any = None) -> None:
        self.layers: tuple[Sequence[Look], ...] = (tuple(fns),) if fns else ()
        self.before = before

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Return what ``AttnProcessor2_0`` returns, up to rounding, for (B, L, D) or (B, C, H, W)."""
        x, shape = hidden_states, hidden_states.shape
        if attn.spatial_norm is not None:
            x = attn.spatial_norm(x, temb)
        if x.ndim == 4:
            x = x.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            x = attn.group_norm(x.transpose(1, 2)).transpose(1, 2)
        context = x if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)

        q, k, v = (
            projection(states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for projection, states in ((attn.to_q, x), (attn.to_k, context), (attn.to_v, context))
        )
        if attn.norm_q is not None:
            q = attn.norm_q(q)
        if attn.norm_k is not None:
            k = attn.norm_k(k)
        scores = (q.float() / math.sqrt(q.shape[-1])) @ k.float().transpose(-1, -2)
        if attention_mask is not None:
            mask = attn.prepare_attention_mask(attention_mask, k.shape[2], k.shape[0])
            scores = scores + mask.view(k.shape[0], attn.heads, -1, mask.shape[-1])
        probs = scores.softmax(dim=-1)
        for fn in (fn for layer in self.layers for fn in layer):
            replacement = fn(probs)
            probs = probs if replacement is None else replacement
        x = (probs.to(v.dtype) @ v).transpose(1, 2).flatten(2)

        x = attn.to_out[1](attn.to_out[0](x))
        if len(shape) == 4:
            x = x.transpose(-1, -2).reshape(shape)
        if attn.residual_connection:
            x = x + hidden_states
        result: torch.Tensor = x / attn.rescale_output_factor
        return result


def open_attention(module: Any, fns: Sequence[Look]) -> Callable[[], None]:
    """Let functions look on at an attention module, behind those that do already.

    Returns:
        What ends it. Several may be ended in any order; the last one gives the module its own processor back.
    """
    layer = [*fns]
    with _swapping:
        if not isinstance(module.processor, PlainAttention):
            module.processor = PlainAttention(before=module.processor)
        shared: PlainAttention = module.processor
        shared.layers = (*shared.layers, layer)

    def end() -> None:
        with _swapping:
            shared.layers = tuple(other for other in shared.layers if other is not layer)
            if not shared.layers and shared.before is not None and module.processor is shared:
                module.processor = shared.before

    return end
