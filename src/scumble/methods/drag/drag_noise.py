"""DragNoise: points are dragged by optimising the U-Net's bottleneck at one step (arXiv 2404.01050)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.drag.fields import DragByOptimisation

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.features import BottleneckFeatures, LayerFeatures
    from scumble.methods.drag.optimize import DragResult, Features

__all__ = ["DragNoise"]


class DragNoise(DragByOptimisation):
    """Drag points by changing what the network knows of the picture's structure, and nothing of its noise."""

    paper: ClassVar[str] = "DragNoise, arXiv 2404.01050"

    mask_term: Literal["bottleneck", "latent"] = "bottleneck"
    """What the mask term holds: the bottleneck, as in the paper, or the next latent, as in the published code, which
    needs the whole decoder."""
    end_steps: int = Field(default=0, ge=0, le=1000)
    """The last so many steps run without the dragged bottleneck: more gives finer detail, too many undo the drag."""
    layer: str = "mid_block"
    """The layer that is optimised and carried on; another one than the bottleneck is for comparisons."""

    def drag(self, batch: EditBatch) -> Tensor | None:
        """Optimise the bottleneck at the step of ``strength``, then denoise with it."""
        from scumble.methods.inversion_for import inversion_for

        inversion = inversion_for(batch, self.plan(batch))
        if inversion.first == inversion.steps:
            return None
        with batch.watch.phase("optimize", self.iterations, counts=False):
            found = self.search(batch, inversion)
        return self.finished(batch, self.render(batch, inversion, found), found)

    def search(self, batch: EditBatch, inversion: Inversion) -> DragResult:
        """Optimise. Without a mask there is no mask term; the published code then holds everything."""
        import torch.nn.functional as F

        from scumble.methods.drag.features import BottleneckFeatures, LayerFeatures
        from scumble.methods.drag.optimize import optimize

        ctx = batch.context(inversion.levels, inversion.solver(batch.model))
        official = self.compat == "official"
        held = None if batch.change is None and not official else 1 - self._mask(batch)
        whole = held is not None and (self.mask_term == "latent" or official)
        own, cond = inversion.x_at(inversion.first), batch.embed(self.prompt)

        def looking(x: Tensor) -> BottleneckFeatures | LayerFeatures:
            if self.layer == "mid_block":
                return BottleneckFeatures(batch.model, ctx, inversion.first, x, cond, self.site(batch), whole)
            return LayerFeatures(batch.model, ctx, inversion.first, x, cond, self.site(batch), self.layer, whole)

        def original() -> Features:
            before = looking(own)
            return before(before.start)

        look = looking(self.begin(batch, inversion))
        start = look.start.float()

        def preserve(h: Tensor, seen: Features, first: Features) -> Tensor:
            assert held is not None
            if seen.after is not None and first.after is not None:
                return self.mask_weight * ((seen.after - first.after) * held).abs().sum()
            kept = F.adaptive_avg_pool2d(held, (h.shape[-2], h.shape[-1]))
            return self.mask_weight * ((h - start) * kept).abs().mean(1).sum()

        term = None if held is None else preserve
        followed = original if self.pulls else None
        return optimize(start, look, self.grid(batch), self.settings(batch), term, self.progress(batch), followed)

    def _mask(self, batch: EditBatch) -> Tensor:
        """Where the mask frees the latent. None drawn: nothing free, which only the published code asks for."""
        import torch

        if batch.change is None:
            return torch.zeros(1, 1, *batch.shape[2:], device=batch.model.device)
        if self.compat == "official":  # nearest, as F.interpolate does it: the first pixel of each cell
            return (batch.change > 0).float()[..., :: batch.model.factor, :: batch.model.factor].to(batch.model.device)
        return (batch.latent_change("max") > 0).float()

    def render(self, batch: EditBatch, inversion: Inversion, found: DragResult) -> Tensor:
        """Denoise with the dragged bottleneck, every kept state on the way in one batch; the result is the last row."""
        import torch

        from scumble.controls.stored_noise import StoredNoise
        from scumble.core.guidance import Guidance
        from scumble.methods.drag.bottleneck import Bottleneck, StartAt

        values = torch.cat(self.chosen(found))
        official = self.compat == "official"
        until = (50 if official else inversion.steps) - self.end_steps  # the code's 50 steps are a constant
        begin = StartAt(self.begin(batch, inversion), inversion.first)
        cond = batch.embed(self.prompt)
        controls: list[Control] = [begin, *self.keep_outside_map(batch, inversion), Guidance(cond, cond)]
        if not official:
            controls.append(StoredNoise(inversion))
        if found.updates or official:
            controls.append(Bottleneck(values, until, self.layer))
        return replace(batch, count=len(values)).denoise(inversion.levels, inversion.solver(batch.model), controls)
