"""One call of a denoising network, as every caller makes it: times, precision, conditioning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.schedule import Level

__all__ = ["run", "timesteps"]


def timesteps(level: Level | Sequence[Level], device: torch.device) -> Tensor:
    """Return the time of one level (a scalar) or of one level per row (B,); int64 when all are whole numbers."""
    times = level.t if isinstance(level, Level) else [lv.t for lv in level]
    exact = torch.tensor(times, dtype=torch.float64)
    whole = bool((exact == exact.round()).all())
    return exact.to(torch.int64 if whole else torch.float32).to(device)


def run(denoiser: nn.Module, x: Tensor, t: Tensor, cond: Conditioning) -> Tensor:
    """Return the raw output of the network for ``x`` (B, C, h, w), evaluated in the network's own precision.

    The output has x's precision, at least float32.
    """
    dtype = next(denoiser.parameters()).dtype
    kwargs: dict[str, Any] = {}
    if cond.embeds is not None:
        cond = cond.expand(x.shape[0])
        kwargs["encoder_hidden_states"] = cond.text.to(dtype)
        if cond.pooled is not None:
            kwargs["added_cond_kwargs"] = {"text_embeds": cond.pooled.to(dtype), "time_ids": cond.time_ids}
    output: Tensor = denoiser(x.to(dtype), t, **kwargs, return_dict=False)[0]
    return output.to(torch.promote_types(x.dtype, torch.float32))
