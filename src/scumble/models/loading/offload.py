"""Networks that stay in main memory and come to the GPU while they are at work, through accelerate's hooks."""

from __future__ import annotations

from typing import get_args

import torch
from torch import nn

from scumble.core.traits_of_sampling import Offload
from scumble.errors import InputError, nearest
from scumble.models.latent import LatentModel
from scumble.models.pixel import PixelModel

__all__ = ["check_offload", "offload"]


def check_offload(kind: str | None, device: torch.device) -> None:
    """Refuse what cannot be, before anything is loaded.

    Raises:
        InputError: For a kind that there is not, or where there is no GPU to offload from.
    """
    kinds = get_args(Offload)
    if kind is None:
        return
    if kind not in kinds:
        raise InputError(f"--offload must be {' or '.join(kinds)}, got {kind!r}{nearest(kind, kinds)}")
    if device.type == "cpu":
        raise InputError(
            f"--offload {kind} keeps networks in main memory until a GPU needs them, and this edit runs on the"
            " processor, where they are anyway: leave it out"
        )


def offload(model: LatentModel | PixelModel, kind: Offload, device: torch.device) -> None:
    """Let the networks of a model, which lie in main memory, be computed on a device.

    Args:
        model: The model; what is put on it has been put on.
        kind: ``sequential``: layer by layer, least memory and slow. ``model``: one network at a time.
        device: Where they are computed.
    """
    from accelerate import cpu_offload, cpu_offload_with_hook

    before = None
    for network in _networks(model):
        if kind == "sequential":
            cpu_offload(network, device, offload_buffers=len(list(network.parameters(recurse=False))) > 0)
        else:
            _, before = cpu_offload_with_hook(network, device, before)
    model.device = device
    if isinstance(model, LatentModel):
        model.text.device = device


def _networks(model: LatentModel | PixelModel) -> list[nn.Module]:
    if isinstance(model, PixelModel):
        return [model.denoiser]
    control = [] if model.control is None else [model.control.network]
    return [*(one.network for one in model.text.encoders), *control, model.denoiser, model.vae]
