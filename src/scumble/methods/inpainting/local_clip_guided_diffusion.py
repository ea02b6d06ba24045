"""Local CLIP-guided diffusion: the background held by a loss only, without blending (arXiv 2111.14818)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.inpainting.clip_guided import ClipGuided
from scumble.methods.inpainting.fields import scorer_of

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["LocalClipGuidedDiffusion"]


class LocalClipGuidedDiffusion(ClipGuided):
    """Guide the region by words and the rest by its distance to the picture: the paper's weaker baseline."""

    paper: ClassVar[str] = "Blended Diffusion, arXiv 2111.14818, algorithm 1"

    squares_weight: float = Field(default=500.0, ge=0, le=1e7)
    """Weight of the mean squared difference outside the mask (half of the paper's 1000)."""
    perceptual_weight: float = Field(default=500.0, ge=0, le=1e7)
    """Weight of the perceptual distance outside the mask: LPIPS where installed, else CLIP features."""
    compat: Literal["official"] | None = None
    """official: the published code, which compares the masked prediction with the whole picture, takes the mean of
    the squares over the batch, never clips, shows the CLIP grey around the region, and has no background term
    without words."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Begin from the noised picture and follow the losses."""
        import torch

        from scumble.controls.change_map import NoisedSource
        from scumble.energies.perception import perceptual_distance
        from scumble.energies.picture import Background
        from scumble.methods.inpainting.background_blend import BackgroundBlend

        mask, official = self.mask(batch), self.compat == "official"
        energies = self.text_energies(batch, mask)
        if (self.prompt or not official) and (self.squares_weight or self.perceptual_weight):
            source = batch.x0 if official else torch.where(mask, torch.zeros_like(batch.x0), batch.x0)
            distance = None
            if self.perceptual_weight:
                name, distance = perceptual_distance(
                    source, lambda: scorer_of(batch.cache, self.clip, batch.model.device)
                )
                batch.report.say(perceptual_distance=name)
            energies.append(
                Background(
                    source,
                    mask,
                    self.squares_weight,
                    self.perceptual_weight,
                    distance,
                    over_batch=official,
                    of=self.judge,
                )
            )
        everything = torch.ones_like(mask)
        keep_outside_map = BackgroundBlend(
            lambda i: everything, everything, NoisedSource(self.source(batch)), self.first(batch)
        )
        return self.sample(batch, keep_outside_map, energies, official=official)
