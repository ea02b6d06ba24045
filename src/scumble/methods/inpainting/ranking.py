"""Rank candidates by how well CLIP finds the prompt in the changed region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.models.clip import ClipScorer

__all__ = ["RankBy", "best_first", "bounding_square", "candidate_distances", "official_distances"]

RankBy = Literal["context", "mask", "crop", "picture", "official"]

CONTEXT = 0.25
"""How much of its side a crop shows around the region."""


def candidate_distances(
    images: Sequence[Image.Image],
    change: Tensor | None,
    prompt: str,
    scorer: ClipScorer,
    by: RankBy = "context",
    source: Image.Image | None = None,
) -> list[float]:
    """Return the distance of each candidate's region to the words, 0 (the same) to pi^2/2; lower is better.

    Every candidate is judged by itself, so that its distance does not depend on the others.

    Args:
        images: The candidates.
        change: The mask at their size (1 or B, 1, H, W), from 0.5 on is inside; None: everything.
        prompt: The words.
        scorer: The CLIP.
        by: ``context`` shows it the region within the source (without one, within itself); ``mask`` the region on
            mid-grey; ``crop`` the square around the region with some context; ``picture`` the whole; ``official`` the
            region on black without CLIP's normalisation, as the published code does (arXiv 2111.14818).
        source: The picture that was edited.
    """
    import torch

    from scumble.images import to_tensor
    from scumble.models.clip import spherical_distance

    text = scorer.text_features([prompt])
    before = None if source is None else to_tensor(source.convert("RGB")).to(scorer.device)
    distances = []
    for k, image in enumerate(images):
        picture = to_tensor(image.convert("RGB")).to(scorer.device)
        mask = _mask_of(change, k, picture)
        with torch.no_grad():
            if by == "official":
                distances.append(float(official_distances(picture, mask, text, scorer)[0]))
                continue
            if by == "mask":
                picture = torch.where(mask, picture, torch.zeros_like(picture))
            elif by == "context" and before is not None:
                picture = torch.where(mask, picture, before)
            elif by == "crop":
                top, left, side = bounding_square(mask)
                picture = picture[..., top : top + side, left : left + side]
            distances.append(float(spherical_distance(scorer.image_features(picture), text)[0]))
    return distances


def official_distances(pictures: Tensor, mask: Tensor, text: Tensor, scorer: ClipScorer) -> Tensor:
    """Return the published code's distances (B,) of pictures (B, 3, H, W): black outside, no normalisation."""
    import torch
    import torch.nn.functional as F

    from scumble.models.clip import spherical_distance

    black = torch.where(mask, pictures, -torch.ones_like(pictures))
    size = (scorer.size, scorer.size)
    small = F.interpolate(black, size=size, mode="bilinear", align_corners=False)
    return spherical_distance(scorer.encode(small, normalize=False), text)


def bounding_square(mask: Tensor, context: float = CONTEXT) -> tuple[int, int, int]:
    """Return (top, left, side) of a square in the picture around a mask (1, 1, H, W), with context where it fits."""
    height, width = mask.shape[-2:]
    rows, columns = mask.any(dim=-1).flatten().nonzero(), mask.any(dim=-2).flatten().nonzero()
    if not len(rows):
        return 0, 0, min(height, width)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    side = min(round(max(bottom - top, right - left) * (1 + 2 * context)), height, width)
    row = min(max((top + bottom - side) // 2, 0), height - side)
    column = min(max((left + right - side) // 2, 0), width - side)
    return row, column, side


def best_first(distances: Sequence[float], keep: int | None = None) -> list[int]:
    """Return the indices of the ``keep`` nearest, nearest first; equal ones in their order."""
    order = sorted(range(len(distances)), key=lambda k: distances[k])
    return order if keep is None else order[:keep]


def _mask_of(change: Tensor | None, index: int, picture: Tensor) -> Tensor:
    import torch

    if change is None:
        return torch.ones_like(picture[:, :1], dtype=torch.bool)
    region = change if change.shape[0] == 1 else change[index : index + 1]
    return region.to(picture.device) >= 0.5
