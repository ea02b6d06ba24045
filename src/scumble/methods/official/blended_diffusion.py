"""Blended Diffusion as the published code runs it."""

from __future__ import annotations

from torch import Tensor

from scumble.methods.batch import EditBatch
from scumble.methods.inpainting.background_blend import LateBlend, SharedSource
from scumble.methods.inpainting.blended_diffusion import BlendedDiffusion

__all__ = ["PRESETS"]


def run(method: BlendedDiffusion, batch: EditBatch) -> Tensor:
    """The background is one level too noisy and its noise is shared by the batch; predictions are never clipped, and
    the CLIP sees gray around the region."""
    method = method.model_copy(update={"begin": method.begin or "picture"})
    mask, first = method.mask(batch), method.first(batch)
    energies = method.model_copy(update={"outside": "grey"}).text_energies(batch, mask)
    blend = LateBlend(lambda i: mask, mask, SharedSource(batch.x0), first)
    return method.sample(batch.without_clipping(), blend, energies)


PRESETS = {"official": run}
