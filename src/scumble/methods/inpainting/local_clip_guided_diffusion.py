"""Local CLIP-guided diffusion: a loss alone keeps the background, without blending (arXiv 2111.14818)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.clip_scorer import scorer_of
from scumble.methods.inpainting.clip_guided import ClipGuided
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.energies.protocol import Energy
    from scumble.methods.batch import EditBatch

__all__ = ["LocalClipGuidedDiffusion"]


class LocalClipGuidedDiffusion(ClipGuided):
    """Guide the region by the prompt and the rest by its distance to the image: the paper's weaker baseline."""

    paper: ClassVar[str] = "Blended Diffusion, arXiv 2111.14818, algorithm 1"

    squares_weight: float = Field(default=500.0, ge=0, le=1e7)
    """Weight of the mean squared difference outside the mask (half of the paper's 1000)."""
    perceptual_weight: float = Field(default=500.0, ge=0, le=1e7)
    """Weight of the perceptual distance outside the mask: LPIPS if installed, else CLIP features."""
    compat: Literal["official"] | None = None
    """official: follow the published code, which compares the masked prediction with the whole image, averages the
    squares over the batch, never clips, shows CLIP gray around the region, and has no background loss without a
    prompt."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Start from the noised image and follow the losses."""
        import torch

        mask = self.mask(batch)
        outside = torch.where(mask, torch.zeros_like(batch.x0), batch.x0)
        return self.guided(batch, mask, [*self.text_energies(batch, mask), *self.background(batch, mask, outside)])

    def guided(self, batch: EditBatch, mask: Tensor, energies: list[Energy]) -> Tensor:
        """Sample without blending."""
        import torch

        from scumble.controls.change_map import NoisedSource
        from scumble.methods.inpainting.background_blend import BackgroundBlend

        everything = torch.ones_like(mask)
        source = NoisedSource(self.source(batch))
        return self.sample(
            batch, BackgroundBlend(lambda i: everything, everything, source, self.first(batch)), energies
        )

    def background(self, batch: EditBatch, mask: Tensor, source: Tensor, over_batch: bool = False) -> list[Energy]:
        """The loss that keeps the outside of the mask; none without a weight."""
        from scumble.energies.perception import perceptual_distance
        from scumble.energies.picture import Background

        weights, distance = (self.squares_weight, self.perceptual_weight), None
        if not any(weights):
            return []
        if self.perceptual_weight:
            scorer = lambda: scorer_of(batch.cache, self.clip, batch.model.device)  # noqa: E731
            name, distance = perceptual_distance(source, scorer)
            batch.report.say(perceptual_distance=name)
        return [Background(source, mask, *weights, distance, over_batch=over_batch, of=self.judge)]
