"""The losses of DiffuseIT, as energies (arXiv 2209.15264, section 3.2)."""

from __future__ import annotations

import torch

from scumble.energies.clip import ClipGoal, composed_goal
from scumble.energies.picture import PixelDistance, RangeExcess
from scumble.energies.protocol import Energy, Judged
from scumble.energies.vit import VitEnergy
from scumble.errors import MethodError
from scumble.methods.batch import EditBatch
from scumble.methods.clip_scorer import scorer_of
from scumble.methods.guidance.diffuseit_fields import DiffuseITFields
from scumble.methods.judges import other_picture, tower_of

__all__ = ["diffuseit_losses"]


def diffuseit_losses(method: DiffuseITFields, batch: EditBatch, steps: int) -> list[Energy]:
    """Return the losses with a weight, for a full run of ``steps`` steps.

    Raises:
        MethodError: If noisy latents are to be judged: they decode to nothing known.
    """
    usual: Judged = "mixed" if batch.model.factor == 1 else "x0"
    of: Judged = batch.use("judge", usual) if method.judge is None else method.judge
    if of == "mixed" and batch.model.factor > 1:
        raise MethodError(f"{batch.model.name} works on latents, where only x0 can be judged: leave --judge out")
    extract, source = tower_of(batch.cache, method.vision, batch.model.device), batch.picture
    target = None if method.target_image is None else other_picture(batch, method.target_image)
    with torch.no_grad():
        source_features = extract(source)
        target_features = None if target is None else extract(target)
    divergence_end = steps - 1 - round((1 - method.divergence_until) * steps)
    style = 0.0 if target is None else method.style_weight
    divergence = batch.use("divergence_weight", method.usual(batch, method.divergence_weight, 100.0, 0.0))
    weights = method.contrast_weight, method.similarity_weight, divergence, style
    energies: list[Energy] = []
    if any(weights):
        energies.append(VitEnergy(extract, source_features, target_features, *weights, divergence_end, of))
    if target is not None and method.pixel_weight:
        energies.append(PixelDistance(target, method.pixel_weight, of))
    clip_weight = batch.use("clip_weight", method.usual(batch, method.clip_weight, 2000.0, 0.0))
    if method.prompt and clip_weight:
        scorer = scorer_of(batch.cache, method.clip, batch.model.device)
        goal = composed_goal(scorer, method.prompt, method.source_prompt, source)
        energies.append(ClipGoal(scorer, goal, clip_weight, method.augmentations, of))
    if method.range_weight:
        energies.append(RangeExcess(method.range_weight))
    return energies
