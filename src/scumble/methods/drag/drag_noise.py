"""DragNoise: drag points by optimizing the U-Net's bottleneck at one step (arXiv 2404.01050)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.drag.fields import DragByOptimisation
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.optimize import DragResult, Features

__all__ = ["DragNoise"]


class DragNoise(DragByOptimisation):
    """Drag points by changing the network's idea of the image's structure, and nothing of its noise."""

    paper: ClassVar[str] = "DragNoise, arXiv 2404.01050"

    mask_term: Literal["bottleneck", "latent"] = "bottleneck"
    """What the mask loss holds: the bottleneck, as in the paper, or the next latent, as in the published code, which
    needs the whole decoder."""
    end_steps: int = Field(default=0, ge=0, le=1000)
    """Number of last steps without the dragged bottleneck: more gives finer detail, too many undo the drag."""
    layer: str = "mid_block"
    """The layer that is optimized and carried on; any other than the bottleneck is for comparisons."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Drag one candidate; all others are equal to it."""
        from scumble.methods.drag.fields import drag_once

        return drag_once(batch, self, self.drag)

    def drag(self, batch: EditBatch) -> Tensor | None:
        """Invert, optimize the bottleneck at the step of ``strength``, denoise with it, report (section 3)."""
        from scumble.methods.drag.fields import report_drag
        from scumble.methods.inversion_for import inversion_for

        inversion = inversion_for(batch, self.inversion_settings(batch))
        if inversion.first == inversion.steps:
            return None
        with batch.watch.phase("optimize", self.iterations, counts=False):
            drag = self.optimized(batch, inversion)
        return report_drag(batch, self, self.denoised(batch, inversion, drag), drag)

    def optimized(self, batch: EditBatch, inversion: Inversion) -> DragResult:
        """Move the bottleneck's features from the handles to the targets; without a mask nothing else is held."""
        import torch.nn.functional as F

        from scumble.methods.drag.features import features_of
        from scumble.methods.drag.fields import grid_pairs, outside_mask, progress, start_latent
        from scumble.methods.drag.optimize import optimize
        from scumble.methods.drag.supervision import supervision_site

        ctx = batch.context(inversion.levels, inversion.solver(batch.model))
        i, cond, site = inversion.first, batch.embed(self.prompt), supervision_site(batch.model.denoiser)
        outside = outside_mask(batch)
        whole = outside is not None and self.mask_term == "latent"
        network = features_of(self.layer, batch.model, ctx, i, start_latent(batch, self, inversion), cond, site, whole)
        h = network.start.float()

        def mask_loss(value: Tensor, now: Features, before: Features) -> Tensor:
            if outside is None:
                return value.new_zeros(())
            if now.after is not None and before.after is not None:
                return self.mask_weight * ((now.after - before.after) * outside).abs().sum()
            cells = F.adaptive_avg_pool2d(outside, (value.shape[-2], value.shape[-1]))
            return self.mask_weight * ((value - h) * cells).abs().mean(1).sum()

        def original() -> Features:
            image = features_of(self.layer, batch.model, ctx, i, inversion.x_at(i), cond, site, whole)
            return image(image.start)

        return optimize(
            h,
            network,
            grid_pairs(batch, self.pairs(batch)),
            self.drag_settings(batch),
            None if outside is None else mask_loss,
            progress(batch, self.iterations),
            original if self.warps else None,
        )

    def denoised(self, batch: EditBatch, inversion: Inversion, drag: DragResult) -> Tensor:
        """Denoise with the dragged bottleneck; frames on the way are rows of the same batch, the result is the last."""
        from scumble.controls.start import StartAt
        from scumble.controls.stored_noise import StoredNoise
        from scumble.core.guidance import Guidance
        from scumble.methods.drag.features import Bottleneck
        from scumble.methods.drag.fields import frame_values, keep_outside_mask, start_latent

        values, cond = frame_values(drag, self.frames), batch.embed(self.prompt)
        start = StartAt(start_latent(batch, self, inversion), inversion.first)
        controls: list[Control] = [start, *keep_outside_mask(batch, inversion), Guidance(cond, cond)]
        controls.append(StoredNoise(inversion))
        if drag.updates:
            controls.append(Bottleneck(values, inversion.steps - self.end_steps, self.layer))
        return replace(batch, count=len(values)).denoise(inversion.levels, inversion.solver(batch.model), controls)
