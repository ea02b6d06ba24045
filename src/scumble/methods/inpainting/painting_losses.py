"""The losses of PaintByWord++ on the decoded image, and their slope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from scumble.energies.clip import ClipRegion
from scumble.energies.perception import perceptual_distance
from scumble.energies.picture import Background
from scumble.methods.batch import EditBatch
from scumble.methods.clip_scorer import scorer_of

if TYPE_CHECKING:
    from scumble.methods.inpainting.paint_by_word import PaintByWord

__all__ = ["led_back", "painting_losses", "slope_at"]


def painting_losses(method: PaintByWord, batch: EditBatch, mask: Tensor) -> tuple[ClipRegion, Background | None]:
    """Return the loss of the prompt inside the mask, and that of the image outside of it, if any."""
    scorer = scorer_of(batch.cache, method.clip, batch.model.device)
    text = scorer.text_features([method.prompt])
    prompt_loss = ClipRegion(
        scorer, text, mask, method.clip_weight, method.augmentations, method.clip_batch, view_noise=method.view_noise
    )
    if method.confine == "latent" or not method.background_weight or bool(mask.all()):
        return prompt_loss, None
    source = torch.where(mask, torch.zeros_like(batch.picture), batch.picture)
    name, distance = perceptual_distance(source, lambda: scorer)
    batch.report.say(perceptual_distance=name)
    weight = method.background_weight
    return prompt_loss, Background(source, mask, weight, 10 * weight, distance, absolute=True)


def slope_at(background: Background, picture: Tensor) -> Tensor:
    """Gradient of the background's loss at a picture (B, 3, H, W)."""
    with torch.enable_grad():
        leaf = picture.detach().requires_grad_(True)
        return torch.autograd.grad(background.loss(leaf).sum(), leaf)[0]


def led_back(slope: Tensor, picture: Tensor) -> Tensor:
    """A gradient at a picture whose values beyond [-1, 1] keep what leads back into the range, and nothing else."""
    beyond = picture - picture.clamp(-1, 1)
    return torch.where(slope * beyond >= 0, slope, torch.zeros_like(slope))
