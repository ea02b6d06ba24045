"""Losses of DiffuseIT that share one pass of a vision transformer, each step (arXiv 2209.15264 section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.control import RunState
from scumble.energies.augment import draw_views, warp
from scumble.energies.protocol import per_sample
from scumble.energies.vit import contrast, likeness_of_keys
from scumble.models.clip import ClipScorer, squared
from scumble.models.vision import VisionFeatures

__all__ = ["ComposedText", "PictureTerm", "VitTerm", "composed_goal"]

Of = Literal["x0", "mixed"]


@dataclass
class VitTerm:
    """Structure of the source, meaning of the target, and distance from where the last step was.

    Args:
        extract: Pictures (B, 3, H, W) in [-1, 1] to features.
        source: Features of the source (1 or B rows).
        target: Features of the picture whose look is wanted, or None.
        contrast: Weight of telling places apart as in the source.
        similarity: Weight of places being alike as in the source.
        divergence: Weight of moving on from the last step.
        style: Weight of the target's look.
        rest: Step from which on divergence rests.
        of: Which picture is judged.
    """

    extract: Callable[[Tensor], VisionFeatures]
    source: VisionFeatures
    target: VisionFeatures | None = None
    contrast: float = 200.0
    similarity: float = 1000.0
    divergence: float = 100.0
    style: float = 2000.0
    rest: int = 0
    of: Of = "mixed"
    _before: Tensor | None = None

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss (B,) and the gradient of its sum."""
        with torch.enable_grad():
            leaf = picture.detach().requires_grad_(True)
            seen = self.extract(leaf)
            parts = self.parts(seen)
            weights = {
                "similarity": self.similarity,
                "contrast": self.contrast,
                "divergence": self.divergence if ctx.i < self.rest else 0.0,
                "style": self.style,
            }
            loss = torch.zeros(picture.shape[0], dtype=picture.dtype, device=picture.device)
            for name, value in parts.items():
                if weights[name]:
                    loss = loss + weights[name] * value
            self._before = seen.whole.detach()
            if not loss.requires_grad:
                return loss, torch.zeros_like(picture)
            return loss.detach(), torch.autograd.grad(loss.sum(), leaf)[0]

    def parts(self, seen: VisionFeatures) -> dict[str, Tensor]:
        """Each loss by itself, without its weight (B,)."""
        before = self.source.whole if self._before is None else self._before
        found = {
            "similarity": likeness_of_keys(seen.keys, self.source.keys),
            "contrast": per_sample(contrast(seen.keys, self.source.keys)),
            "divergence": -per_sample((seen.whole - before.detach()).square()),
        }
        if self.target is not None:
            found["style"] = per_sample((seen.whole - self.target.whole.detach()).square())
        return found


@dataclass
class PictureTerm:
    """Mean squared difference to a picture.

    Args:
        wanted: The picture (1, 3, H, W) in [-1, 1].
        weight: Multiplies the loss.
        of: Which picture is judged.
    """

    wanted: Tensor
    weight: float = 3000.0
    of: Of = "mixed"

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss (B,) and the gradient of its sum, in closed form."""
        apart = picture - self.wanted
        return self.weight * per_sample(apart.square()), 2 * self.weight * apart / apart[0].numel()


@dataclass
class ComposedText:
    """Minus the cosine to a composed goal: the target's words, less of the source's, and a little of its picture.

    Args:
        scorer: The CLIP.
        goal: Unit features (1, D).
        weight: Multiplies the loss.
        copies: Views, the plain one included; each is normalised, their mean is not.
        of: Which picture is judged.
    """

    scorer: ClipScorer
    goal: Tensor
    weight: float = 2000.0
    copies: int = 8
    of: Of = "mixed"

    def __call__(self, ctx: RunState, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss (B,) and the gradient of its sum."""
        batch = picture.shape[0]
        with torch.enable_grad():
            leaf = picture.detach().requires_grad_(True)
            small = squared(leaf, self.scorer.size)
            views = [small]
            if self.copies > 1:
                views += [warp(small, m) for m in draw_views(ctx.noise, batch, self.copies - 1, ctx.i, ctx.tag)]
            features = self.scorer.encode(torch.cat(views)).unflatten(0, (self.copies, batch)).mean(0)
            loss = -self.weight * (features * self.goal).sum(-1)
            return loss.detach(), torch.autograd.grad(loss.sum(), leaf)[0]


def composed_goal(scorer: ClipScorer, prompt: str, source_prompt: str, source: Tensor) -> Tensor:
    """Unit features (1, D): the target's words, less 0.4 of the source's, and 0.2 of its picture (1, 3, H, W)."""
    with torch.no_grad():
        goal = scorer.text_features([prompt]) + 0.2 * scorer.image_features(source)
        if source_prompt:
            goal = goal - 0.4 * scorer.text_features([source_prompt])
    return F.normalize(goal, dim=-1)
