"""DragNoise: drag points by optimizing the U-Net's bottleneck at one step (arXiv 2404.01050)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.drag.optimization_fields import DragByOptimization
from scumble.methods.footprint import Footprint
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from scumble.core.control import Control
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.features import Features
    from scumble.methods.drag.settings import DragResult

__all__ = ["DragNoise"]


class DragNoise(DragByOptimization):
    """Drag points by changing the network's idea of the image's structure, and nothing of its noise."""

    paper: ClassVar[str] = "DragNoise, arXiv 2404.01050"
    footprint: ClassVar[Footprint] = Footprint(path=1, graph=0.5)

    mask_term: Literal["bottleneck", "latent"] = "bottleneck"
    """What the mask loss holds: the bottleneck, as in the paper, or the next latent, as in the published code, which
    needs the whole decoder."""
    end_steps: int = Field(default=0, ge=0, le=1000)
    """Number of last steps without the dragged bottleneck: more gives finer detail, too many undo the drag."""
    layer: str = "mid_block"
    """The layer that is optimized and carried on; any other than the bottleneck is for comparisons."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, optimize at the step of ``strength``, denoise, report."""
        from scumble.methods.drag.phases import dragged

        return dragged(batch, self, self.inverted, self.optimized, self.denoised)

    def optimized(self, batch: EditBatch, inversion: Inversion) -> DragResult:
        """Move the bottleneck's features from the handles to the targets; without a mask nothing else is held."""
        import torch.nn.functional as F

        from scumble.methods.drag.bottleneck_features import features_of
        from scumble.methods.drag.optimize import mask_loss, optimize
        from scumble.methods.drag.phases import outside_mask, progress
        from scumble.methods.drag.pulls import grid_pairs, start_latent
        from scumble.methods.drag.supervision import supervision_site

        ctx = batch.context(inversion.levels, inversion.solver(batch.model))
        i, cond, site = inversion.first, batch.embed(self.prompt), supervision_site(batch.model.denoiser)
        outside = outside_mask(batch)
        whole = outside is not None and self.mask_term == "latent"
        network = features_of(self.layer, batch.model, ctx, i, start_latent(batch, self, inversion), cond, site, whole)
        h = network.start.float()

        def held_bottleneck(outside: Tensor) -> Callable[[Tensor, Features, Features], Tensor]:
            cells = F.adaptive_avg_pool2d(outside, (h.shape[-2], h.shape[-1]))
            return lambda value, now, before: self.mask_weight * ((value - h) * cells).abs().mean(1).sum()

        def original() -> Features:
            image = features_of(self.layer, batch.model, ctx, i, inversion.x_at(i), cond, site, whole)
            return image(image.start)

        term = None
        if outside is not None:
            term = mask_loss(self.mask_weight, outside) if whole else held_bottleneck(outside)
        return optimize(
            h,
            network,
            grid_pairs(batch, self.pairs(batch)),
            self.drag_settings(batch),
            term,
            progress(batch, self.iterations),
            original if self.warps else None,
        )

    def denoised(self, batch: EditBatch, inversion: Inversion, drag: DragResult) -> Tensor:
        """Denoise with the dragged bottleneck; frames on the way are rows of the same batch, the result is the last."""
        from scumble.controls.start import StartAt
        from scumble.controls.stored_noise import StoredNoise
        from scumble.core.guidance import Guidance
        from scumble.methods.drag.bottleneck import Bottleneck
        from scumble.methods.drag.phases import frame_values, keep_outside_mask
        from scumble.methods.drag.pulls import start_latent

        values, cond = frame_values(drag, self.frames), batch.embed(self.prompt)
        start = StartAt(start_latent(batch, self, inversion), inversion.first)
        controls: list[Control] = [start, *keep_outside_mask(batch, inversion), Guidance(cond, cond)]
        controls.append(StoredNoise(inversion))
        if drag.updates:
            controls.append(Bottleneck(values, inversion.steps - self.end_steps, self.layer))
        return replace(batch, count=len(values)).denoise(inversion.levels, inversion.solver(batch.model), controls)
