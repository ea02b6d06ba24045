"""DragDiffusion: drag points by optimizing the latent at one step (arXiv 2306.14435)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from scumble.methods.drag.optimization_fields import DragByOptimization
from scumble.methods.footprint import Footprint
from scumble.methods.official import with_presets
from scumble.methods.placed import Guided

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.settings import DragResult

__all__ = ["DragDiffusion"]


class DragDiffusion(DragByOptimization, Guided):
    """Drag points by changing the noisy image itself; its appearance is taken from the original."""

    paper: ClassVar[str] = "DragDiffusion, arXiv 2306.14435"
    footprint: ClassVar[Footprint] = Footprint(path=1, graph=0.8)

    guidance_scale: float = Field(default=1.0, ge=1, le=100)
    """Classifier-free guidance; 1 is right for photographs, a generated image may need the value it was made with."""
    negative_prompt: str = ""
    """What the image does not show; matters with guidance only."""
    reference: bool = True
    """Let self-attention take keys and values from the original image while sampling."""
    start_step: int = Field(default=0, ge=0, le=1000)
    """Number of steps before it does."""
    start_layer: int | None = Field(default=None, ge=0, le=1000)
    """First self-attention layer that does. Default: those of the decoder at full and half size."""

    @property
    def words(self) -> str:
        """The prompt, or else the negative prompt."""
        return self.first_prompt or self.negative_prompt

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, optimize at the step of ``strength``, denoise, report."""
        from scumble.methods.drag.phases import dragged

        return dragged(batch, self, self.inverted, self.optimized, self.denoised)

    def optimized(self, batch: EditBatch, inversion: Inversion) -> DragResult:
        """Move the latent's features from the handles to the targets; the mask loss holds the next latent."""
        from scumble.methods.drag.latent_features import LatentFeatures
        from scumble.methods.drag.optimize import mask_loss, optimize
        from scumble.methods.drag.phases import outside_mask, progress
        from scumble.methods.drag.pulls import grid_pairs, start_latent
        from scumble.methods.drag.supervision import supervision_site

        ctx, outside = batch.context(inversion.levels, inversion.solver(batch.model)), outside_mask(batch)
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        site = supervision_site(batch.model.denoiser)
        network = LatentFeatures(batch.model, ctx, inversion.first, guidance, site, outside is not None)

        return optimize(
            start_latent(batch, self, inversion),
            network,
            grid_pairs(batch, self.pairs(batch)),
            self.drag_settings(batch),
            None if outside is None else mask_loss(self.mask_weight, outside),
            progress(batch, self.iterations),
            (lambda: network(inversion.x_at(inversion.first))) if self.warps else None,
        )

    def denoised(self, batch: EditBatch, inversion: Inversion, drag: DragResult) -> Tensor:
        """Denoise the latent beside the original on its stored path; the result is the last row of the batch."""
        from scumble.controls.start import StartAt
        from scumble.controls.stored_noise import StoredNoise, StoredSourceBranch
        from scumble.methods.drag.phases import frame_values, keep_outside_mask
        from scumble.methods.drag.reference_attention import ReferenceAttention, reference_layers

        values = frame_values(drag, self.frames)
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        controls: list[Control] = [StartAt(values, inversion.first), *keep_outside_mask(batch, inversion), guidance]
        if self.reference:
            controls.append(StoredSourceBranch(inversion, guidance.cond, "source"))
            if "uncond" in guidance.names:
                controls.append(StoredSourceBranch(inversion, guidance.uncond, "source_uncond"))
            layers = reference_layers(batch.model.denoiser, self.start_layer)
            controls.append(ReferenceAttention(layers, inversion.first + self.start_step))
        controls.append(StoredNoise(inversion))
        return replace(batch, count=len(values)).denoise(inversion.levels, inversion.solver(batch.model), controls)
