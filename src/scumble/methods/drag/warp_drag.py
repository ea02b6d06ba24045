"""WarpDrag: pull the image along the points and redraw it only where that shows; for any model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from scumble.methods.base import Sampled
from scumble.methods.drag.fields import PointFields
from scumble.methods.placed import Placed

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.warp import Warped

__all__ = ["WarpDrag"]


class WarpDrag(PointFields, Sampled, Placed):
    """Pull the image along the points at once; then let the model redraw what was uncovered and smooth the rest."""

    paper: ClassVar[str] = "our own; the start of FastDrag, arXiv 2405.15769, with a change map (arXiv 2306.00950)"

    preview: bool = False
    """Only pull, without redrawing: a quick preview."""
    negative_prompt: str = ""
    """What the image does not show."""
    guidance_scale: float = Field(default=1.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    strength: float = Field(default=0.3, ge=0, le=1)
    """How strongly the moved part is redrawn, to smooth its edges."""
    fill_strength: float = Field(default=0.6, ge=0, le=1)
    """How strongly the uncovered part, which is filled from its surroundings, is redrawn; 1 invents it from scratch."""
    reach: float | None = Field(default=None, gt=0)
    """Radius in pixels of what a point takes along. Default: the object that the mask is drawn around, if one stands
    out; else everything up to the black of the mask, or a sixth of the image."""

    @property
    def needs_no_network(self) -> bool:
        """A preview only pulls: it works at the picture's own size."""
        return self.preview

    @property
    def words(self) -> str:
        """The prompt, or else the negative prompt."""
        return self.first_prompt or self.negative_prompt

    def run(self, batch: EditBatch) -> Tensor | None:
        """Warp, then sample with one strength for the uncovered, one for the moved, and 0 for the untouched part."""
        import torch

        from scumble.controls.change_map import ChangeMap, NoisedSource, release_index
        from scumble.images import latent_map
        from scumble.methods.drag.arrival import report_arrival
        from scumble.methods.drag.own_size import warped_at_own_size
        from scumble.methods.placed_levels import levels_below

        warped = self.warped(batch)
        if self.preview:
            return warped.image[None].expand(batch.count, -1, -1, -1)
        batch.started_from = warped_at_own_size(self, batch)
        change = self._change(batch, warped)
        batch.watch.ask()
        with torch.no_grad():
            x0 = batch.model.encode(warped.image[None])
        cells = latent_map(change, batch.model.factor, "max").to(batch.model.device)
        levels, top = levels_below(batch, self.num_inference_steps, self.solver, float(cells.max()))
        steps, cells = len(levels) - 1, (cells / top).clamp(max=1)
        release = release_index(cells, steps)
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        keep = ChangeMap(release, NoisedSource(x0), fraction=batch.fraction(cells, steps))
        latents = x0.expand(batch.shape)
        if int(release.min()) < steps:
            latents = batch.denoise(levels, self.make_solver(batch, steps), [keep, guidance])
        rows = [
            report_arrival(batch, self.pairs(batch), self.prompt, self.advice, latents[k : k + 1])
            for k in range(batch.count)
        ]
        batch.report.say_of_each(points=rows)
        return latents

    def decode(self, batch: EditBatch, result: Tensor) -> Tensor:
        """Decode, except for a preview, which is an image already."""
        return result if self.preview else super().decode(batch, result)

    def warped(self, batch: EditBatch) -> Warped:
        """The image pulled along the points, at the model's size."""
        from scumble.methods.drag.pulls import pull_field, window_of
        from scumble.methods.drag.warp import warp

        mask = None if batch.change is None else batch.change.amax((0, 1))
        window = window_of(batch)
        reach = None if self.reach is None else self.reach * window.scaled[0] / window.box_size[0]
        return warp(batch.picture[0], pull_field(batch, self, reach), mask)

    def _change(self, batch: EditBatch, warped: Warped) -> Tensor:
        """Strength for every pixel (1, 1, H, W), a cell wider than what was touched, and nothing outside the mask."""
        import torch
        import torch.nn.functional as F

        cell = 2 * batch.model.factor // 2 * 2 + 1 if batch.model.factor > 1 else 5
        bare = F.max_pool2d(warped.uncovered[None, None].float(), cell, 1, cell // 2)
        touched = F.max_pool2d((warped.moved > 0)[None, None].float(), cell, 1, cell // 2)
        change = torch.maximum(self.fill_strength * bare, self.strength * touched)
        if batch.change is not None:
            change = change * (batch.change.amax(0, keepdim=True) > 0)
        return change
