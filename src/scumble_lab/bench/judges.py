"""The networks that judge results: a classifier of the world, a CLIP that guides nothing, a vision transformer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from scumble.errors import CheckpointError
from scumble.hashing import sha256, state_sha256
from scumble.images import to_tensor
from scumble.models.clip import ClipScorer
from scumble.models.loading.placement import parse_device
from scumble.models.vision import VisionTower
from scumble_lab.bench.classifier import Classifier, Reading, load_classifier
from scumble_lab.bench.dift import Dift
from scumble_lab.bench.metrics.lpips import load_lpips
from scumble_lab.bench.metrics.structure import structure

__all__ = ["Judges"]

REMEMBERED = 8
Distance = Callable[[Image.Image, Image.Image], float]


@dataclass
class Judges:
    """What results are judged with; any may be missing, its figures are then left out.

    Attributes:
        classifier: Reads still-life pictures.
        clip: For words. It must not be the one that methods are guided by.
        vision: For structure; the CLIP's own tower by default.
        lpips: The name of a network and the perceptual distance of two pictures of one size by it.
        dift: Features of a diffusion model by which dragged points are found.
        pie_compat: Give the vision transformer values to 255, as PIE-Bench's published figures were made.
        notices: What is missing, and whose figures were asked for; one line each.
    """

    classifier: Classifier | None = None
    clip: ClipScorer | None = None
    vision: VisionTower | None = None
    lpips: tuple[str, Distance] | None = None
    dift: Dift | None = None
    pie_compat: bool = False
    notices: list[str] = field(default_factory=list)
    _seen: dict[tuple[str, tuple[int, int], bytes], Tensor] = field(default_factory=dict, repr=False)
    _texts: dict[str, Tensor] = field(default_factory=dict, repr=False)
    _print: str | None = field(default=None, repr=False)

    @classmethod
    def load(
        cls,
        clip: str = "clip-judge",
        classifier: Path | None = None,
        vit: str | None = None,
        lpips: str | None = None,
        dift: str | None = None,
        pie_compat: bool = False,
        device: str = "cpu",
    ) -> Judges:
        """Load what there is; what cannot be loaded goes into `notices`.

        Args:
            clip: A bundled name, a transformers folder or a hub id.
            classifier: Folder of another classifier than the bundled one.
            vit: A vision transformer for structure (a transformers folder or hub id, such as facebook/dino-vitb8)
                instead of the CLIP's tower.
            lpips: The network of a perceptual distance (alex, vgg or squeeze), where torchmetrics has it.
            dift: A diffusion model (bundled name, folder, file or hub id) whose features find dragged points.
            pie_compat: Give the vision transformer values to 255, as PIE-Bench's published figures were made.
            device: Where they run.

        Raises:
            InputError: for a device that is not there.
        """
        device = str(parse_device(device))
        judges = cls(pie_compat=pie_compat)
        try:
            judges.classifier = load_classifier(classifier, device)
        except CheckpointError as error:
            judges.notices.append(f"success is not judged: {error}")
        try:
            judges.clip = ClipScorer.load(clip, device)
        except CheckpointError as error:
            judges.notices.append(f"words are not judged: {error}")
        try:
            if vit is not None:
                judges.vision = VisionTower.load(vit, device)
                judges.notices.append(f"structure is judged by {judges.vision.name}")
            elif judges.clip is not None:
                judges.vision = VisionTower.of(judges.clip)
        except CheckpointError as error:
            judges.notices.append(f"structure is not judged: {error}")
        if lpips is not None:
            try:
                judges.lpips = (lpips, load_lpips(lpips, device))
                judges.notices.append(f"LPIPS is by {lpips}")
            except CheckpointError as error:
                judges.notices.append(f"LPIPS is left out: {error}")
        if dift is not None:
            try:
                judges.dift = Dift.load(dift, device)
                judges.notices.append(f"dragged points are found by the features of {judges.dift.model.name}")
            except CheckpointError as error:
                judges.notices.append(f"dragged points are not found: {error}")
        return judges

    @property
    def fingerprint(self) -> str:
        """Hash of all that judges: scores of other judges are other scores."""
        if self._print is None:
            named = (None if self.lpips is None else self.lpips[0], None if self.dift is None else self.dift.name)
            networks = (
                None if self.classifier is None else self.classifier.net,
                None if self.clip is None else self.clip.model,
                None if self.vision is None else self.vision.network,
            )
            states = ("none" if network is None else state_sha256(network) for network in networks)
            self._print = sha256(repr((*named, self.pie_compat)), *states)[:16]
        return self._print

    def readings(self, pictures: Sequence[Image.Image]) -> list[Reading] | None:
        """What the classifier reads in pictures of one size."""
        if self.classifier is None or not pictures:
            return None
        return self.classifier(torch.cat([to_tensor(picture) for picture in pictures]))

    def features(self, picture: Image.Image) -> Tensor | None:
        """Unit CLIP features (D,)."""
        if self.clip is None:
            return None
        clip = self.clip
        return self._remembered("words", picture, lambda x: clip.image_features(x.to(clip.device)))

    def text(self, prompt: str) -> Tensor | None:
        """Unit CLIP features (D,), remembered."""
        if self.clip is None:
            return None
        if prompt not in self._texts:
            self._texts[prompt] = self.clip.text_features([prompt])[0].cpu()
        return self._texts[prompt]

    def structure(self, picture: Image.Image) -> Tensor | None:
        """Self-similarity (L, L) of the vision transformer's keys."""
        if self.vision is None:
            return None
        vision = self.vision
        return self._remembered("structure", picture, lambda x: structure(vision, x, self.pie_compat))

    @torch.no_grad()
    def _remembered(self, what: str, picture: Image.Image, see: Callable[[Tensor], Tensor]) -> Tensor:
        """What a network sees in a picture; the last few pictures are remembered, so that a source is seen once."""
        key = what, picture.size, picture.tobytes()
        if key not in self._seen:
            while len(self._seen) >= REMEMBERED:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = see(to_tensor(picture))[0].cpu()
        features = self._seen[key] = self._seen.pop(key)  # the youngest again
        return features
