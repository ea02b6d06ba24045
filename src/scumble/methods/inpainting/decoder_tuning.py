"""Background reconstruction: a decoder tuned for one picture, so that what the autoencoder loses comes back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scumble.errors import MethodError
from scumble.models.base import Model

__all__ = ["DecoderTuning", "decoder_loss", "decode_tuned"]


@dataclass(frozen=True)
class DecoderTuning:
    """Settings of the decoder's tuning (arXiv 2206.02779 section 4.2).

    Attributes:
        steps: Adam steps.
        rate: Learning rate.
        preservation: Weight of the untouched part.
    """

    steps: int = 75
    rate: float = 1e-4
    preservation: float = 100.0


def decoder_loss(picture: Tensor, target: Tensor, source: Tensor, inside: Tensor, preservation: float) -> Tensor:
    """Return the mean squared distance to ``target`` inside plus ``preservation`` times that to ``source`` outside.

    Each is a mean over its own area, so that their balance does not depend on the size of the mask; the published
    code divides both by the whole picture's. All (1, 3, H, W), ``inside`` (1, 1, H, W) boolean.
    """
    share = inside.float()
    within, without = share.sum().clamp_min(1) * 3, (1 - share).sum().clamp_min(1) * 3
    changed = ((picture - target).square() * share).sum() / within
    outside = ((picture - source).square() * (1 - share)).sum() / without
    return changed + preservation * outside


def decode_tuned(
    model: Model,
    z: Tensor,
    source: Tensor,
    inside: Tensor,
    fit: DecoderTuning,
    on_step: Callable[[int], None] | None = None,
) -> tuple[Tensor, float, float]:
    """Decode a latent with a copy of the decoder that is tuned to the source outside and to itself inside.

    It starts from the latent that the diffusion made, not from a re-encoded picture. The model is not changed.

    Args:
        model: A latent model.
        z: One latent (1, C, h, w).
        source: The edited picture (1, 3, H, W) in [-1, 1].
        inside: Where it was edited (1, 1, H, W), boolean.
        fit: Steps, rate and weight.
        on_step: Called with the number of each step; may raise to stop.

    Returns:
        The picture (1, 3, H, W), and the loss before and after.

    Raises:
        MethodError: If the model has no autoencoder with a decoder.
    """
    vae: Any = getattr(model, "vae", None)
    if not hasattr(vae, "decoder"):
        raise MethodError(f"{model.name} has no decoder to tune; use --background paste")
    decoder = copy.deepcopy(vae.decoder).float().requires_grad_(True)
    with torch.no_grad():
        shift = float(getattr(vae.config, "shift_factor", None) or 0.0)
        latent = z.to(model.device, torch.float32) / float(vae.config.scaling_factor) + shift
        post = getattr(vae, "post_quant_conv", None)
        latent = latent if post is None else copy.deepcopy(post).float()(latent)
        target = decoder(latent)
        first = float(decoder_loss(target, target, source, inside, fit.preservation))
    with torch.enable_grad():
        adam = torch.optim.Adam(decoder.parameters(), lr=fit.rate)
        for k in range(fit.steps):
            adam.zero_grad()
            decoder_loss(decoder(latent), target, source, inside, fit.preservation).backward()
            adam.step()
            if on_step is not None:
                on_step(k)
    with torch.no_grad():
        picture = decoder(latent)
        return picture, first, float(decoder_loss(picture, target, source, inside, fit.preservation))
