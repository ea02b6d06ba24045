"""The networks that judge results: a classifier of the world, a CLIP that guides nothing, a vision transformer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from scumble.errors import CheckpointError
from scumble.evaluation.classifier import Classifier, Reading, load_classifier
from scumble.evaluation.metrics.structure import self_similarity
from scumble.images import to_tensor
from scumble.models.clip import ClipScorer, squared

__all__ = ["Judges"]


@dataclass
class Judges:
    """What results are judged with; any may be missing, its figures are then left out.

    Attributes:
        classifier: Reads still-life pictures.
        clip: For words. It must not be the one that methods are guided by.
        vision: For structure, with the side of its pictures and its normalisation; by default the CLIP's tower.
        notices: What is missing, one line each.
    """

    classifier: Classifier | None = None
    clip: ClipScorer | None = None
    vision: Any = None
    notices: list[str] = field(default_factory=list)
    _texts: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, clip: str = "clip-judge", classifier: Path | None = None, device: str = "cpu") -> Judges:
        """Load what there is; what cannot be loaded goes into `notices`."""
        found = cls()
        try:
            found.classifier = load_classifier(classifier, device)
        except CheckpointError as error:
            found.notices.append(f"success is not judged: {error}")
        try:
            found.clip = ClipScorer.load(clip, device)
            found.vision = found.clip.model.vision_model
        except CheckpointError as error:
            found.notices.append(f"words and structure are not judged: {error}")
        return found

    def readings(self, pictures: Sequence[Image.Image]) -> list[Reading] | None:
        """What the classifier reads in pictures of one size."""
        if self.classifier is None or not pictures:
            return None
        return self.classifier(torch.cat([to_tensor(picture) for picture in pictures]))

    @torch.no_grad()
    def features(self, picture: Image.Image) -> Tensor | None:
        """Unit CLIP features (D,)."""
        return None if self.clip is None else self.clip.image_features(to_tensor(picture).to(self.clip.device))[0].cpu()

    def text(self, prompt: str) -> Tensor | None:
        """Unit CLIP features (D,), remembered."""
        if self.clip is None:
            return None
        if prompt not in self._texts:
            self._texts[prompt] = self.clip.text_features([prompt])[0].cpu()
        return self._texts[prompt]

    @torch.no_grad()
    def structure(self, picture: Image.Image) -> Tensor | None:
        """Self-similarity (L, L) of the vision transformer's keys."""
        if self.vision is None or self.clip is None:
            return None
        square = squared(to_tensor(picture).to(self.clip.device), self.clip.size)
        return self_similarity(self.vision, ((square + 1) / 2 - self.clip.mean) / self.clip.std)[0].cpu()
