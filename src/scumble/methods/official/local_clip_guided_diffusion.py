"""Local CLIP-guided diffusion as the published code runs it."""

from __future__ import annotations

from torch import Tensor

from scumble.methods.batch import EditBatch
from scumble.methods.inpainting.local_clip_guided_diffusion import LocalClipGuidedDiffusion

__all__ = ["PRESETS"]


def run(method: LocalClipGuidedDiffusion, batch: EditBatch) -> Tensor:
    """The masked prediction is compared with the whole image, over the batch and with a prompt only; predictions are
    never clipped, and the CLIP sees gray around the region."""
    method = method.model_copy(update={"begin": method.begin or "picture"})
    mask = method.mask(batch)
    energies = method.model_copy(update={"outside": "grey"}).text_energies(batch, mask)
    if method.prompt:
        energies += method.background(batch, mask, batch.x0, over_batch=True)
    return method.guided(batch.without_clipping(), mask, energies)


PRESETS = {"official": run}
