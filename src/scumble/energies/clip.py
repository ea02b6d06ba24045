"""Words and pictures as a CLIP sees them: nearness to a text or a picture, everywhere or in a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.noise import NoiseSource
from scumble.energies.augment import draw_views, uniform, warp
from scumble.energies.known_gradient import with_gradient
from scumble.energies.protocol import Energy, Judged, Needs, Observation
from scumble.models.clip import ClipScorer, spherical_distance, to_square

__all__ = ["ClipGoal", "ClipNearness", "ClipRegion", "composed_goal", "direction_energy", "masked"]


def masked(pictures: Tensor, mask: Tensor, outside: float = 0.0) -> Tensor:
    """Return pictures (B, 3, H, W) with ``outside`` (0 is mid-grey) where the mask (1 or B, 1, H, W) is false."""
    return torch.where(mask, pictures, torch.full_like(pictures, outside))


@dataclass
class ClipNearness(Energy):
    """Distance of the picture's features to given ones, those of a text or of another picture, mean over views.

    Args:
        scorer: The CLIP.
        wanted: Unit features (1 or B, D).
        copies: Views a sample is judged in, the plain one included; one alone is easily fooled.
        kind: Half the squared angle, or one minus the cosine.
        mask: Where to look (1 or B, 1, H, W), the rest is grey; None: everywhere.
    """

    scorer: ClipScorer
    wanted: Tensor
    copies: int = 4
    kind: Literal["angle", "cosine"] = "angle"
    mask: Tensor | None = None

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def features(self, observation: Observation) -> Tensor:
        """Unit features of all views (copies, B, D)."""
        picture = observation.picture if self.mask is None else masked(observation.picture, self.mask > 0)
        return _views(self.scorer, picture, self.copies, observation)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Mean distance over the views."""
        features = self.features(observation)
        if self.kind == "angle":
            return spherical_distance(features, self.wanted.to(features)).mean(0)
        return 1 - (features * self.wanted.to(features)).sum(-1).mean(0)


@dataclass
class ClipRegion(Energy):
    """Distance of a masked region to words, mean over augmented views (arXiv 2111.14818 eq. 1, section 4.3).

    The views are computed in parts of ``limit`` pictures whose gradients are added up at the picture: the same
    gradient as in one batch, in less memory.

    Args:
        scorer: The CLIP.
        text: Unit features of the words (1 or B, D).
        mask: Where the region is (1 or B, 1, H, W), boolean.
        weight: Multiplies the loss.
        copies: Views per sample, the plain one included.
        limit: Pictures that go through the CLIP at once.
        of: Which picture is judged.
        view_noise: Largest standard deviation of noise on the views; each view draws its own (VQGAN-CLIP).
        around: What the CLIP sees outside the mask (1, 3, H, W); None: mid-grey.
    """

    scorer: ClipScorer
    text: Tensor
    mask: Tensor
    weight: float = 1000.0
    copies: int = 8
    limit: int = 64
    of: Judged = "mixed"
    around: Tensor | None = None
    view_noise: float = 0.0

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Return the weighted distance (B,)."""
        picture = observation.judged(self.of)
        return with_gradient(*self.at(picture, observation.ctx.noise, observation.ctx.i, observation.ctx.tag))

    def at(self, picture: Tensor, noise: NoiseSource, step: int, tag: str = "") -> tuple[Tensor, Tensor, Tensor]:
        """Return the picture, the weighted loss (B,) and the gradient of its sum under the views of a step."""
        batch = picture.shape[0]
        maps = draw_views(noise, batch, self.copies - 1, step, tag) if self.copies > 1 else None
        grain = self._grain(noise, batch, step, tag) if self.view_noise else None
        pairs = [(copy, sample) for copy in range(self.copies) for sample in range(batch)]
        loss, slope = torch.zeros(batch, device=picture.device), torch.zeros_like(picture)
        for start in range(0, len(pairs), self.limit):
            part = pairs[start : start + self.limit]
            plain = [sample for copy, sample in part if copy == 0]
            warped = [(copy - 1, sample) for copy, sample in part if copy > 0]
            with torch.enable_grad():
                leaf = picture.detach().requires_grad_(True)
                small = to_square(self._region(leaf), self.scorer.size)
                views = [small[plain]] if plain else []
                if warped and maps is not None:
                    chosen = maps[[copy for copy, _ in warped], [sample for _, sample in warped]]
                    views.append(warp(small[[sample for _, sample in warped]], chosen))
                samples = torch.tensor([sample for _, sample in part], device=picture.device)
                text = self.text.expand(batch, -1)[samples]
                joint = torch.cat(views)
                if grain is not None:
                    joint = joint + grain[[copy for copy, _ in part], samples]
                distance = spherical_distance(self.scorer.encode(joint), text)
                distance = distance * (self.weight / self.copies)
                slope += torch.autograd.grad(distance.sum(), leaf)[0]
            loss.index_add_(0, samples, distance.detach())
        return picture, loss, slope

    def _grain(self, noise: NoiseSource, batch: int, step: int, tag: str) -> Tensor:
        """Noise (copies, B, 3, size, size), each view's with a standard deviation of its own."""
        size, drawn = (3, self.scorer.size, self.scorer.size), []
        for copy in range(self.copies):
            level = uniform(noise, (batch, 1, 1, 1), f"{tag}grain-level{copy}", step).float() * self.view_noise
            drawn.append(level * noise.normal((batch, *size), f"{tag}grain{copy}", step))
        return torch.stack(drawn).to(self.mask.device)

    def _region(self, picture: Tensor) -> Tensor:
        return masked(picture, self.mask) if self.around is None else torch.where(self.mask, picture, self.around)


@dataclass
class ClipGoal(Energy):
    """Minus the cosine to a composed goal (arXiv 2209.15264), see :func:`composed_goal`.

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
    of: Judged = "mixed"

    @property
    def reads(self) -> Needs:
        """The picture."""
        return Needs(prediction=True)

    def __call__(self, observation: Observation, origin: Tensor | None) -> Tensor:
        """Return the weighted loss (B,)."""
        features = _views(self.scorer, observation.judged(self.of), self.copies, observation).mean(0)
        return -self.weight * (features * self.goal).sum(-1)


def composed_goal(scorer: ClipScorer, prompt: str, source_prompt: str, source: Tensor) -> Tensor:
    """Unit features (1, D): the target's words, less 0.4 of the source's, and 0.2 of its picture (1, 3, H, W)."""
    with torch.no_grad():
        goal = scorer.text_features([prompt]) + 0.2 * scorer.image_features(source)
        if source_prompt:
            goal = goal - 0.4 * scorer.text_features([source_prompt])
    return F.normalize(goal, dim=-1)


def direction_energy(features: Tensor, start: Tensor, direction: Tensor) -> Tensor:
    """Cosine of ``features - start`` and a direction (…, D); 0 where nothing has moved."""
    return F.cosine_similarity(features - start.to(features), direction.to(features), dim=-1, eps=1e-7)


def _views(scorer: ClipScorer, picture: Tensor, copies: int, observation: Observation) -> Tensor:
    """Unit features (copies, B, D) of the picture itself and of views of it, drawn for the step."""
    small, batch = to_square(picture, scorer.size), picture.shape[0]
    views = [small]
    if copies > 1:
        views += [
            warp(small, m)
            for m in draw_views(observation.ctx.noise, batch, copies - 1, observation.ctx.i, observation.ctx.tag)
        ]
    return scorer.encode(torch.cat(views)).unflatten(0, (copies, batch))
