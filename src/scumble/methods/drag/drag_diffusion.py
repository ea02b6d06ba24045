"""DragDiffusion: points are dragged by optimising the latent at one step (arXiv 2306.14435)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from scumble.methods.drag.fields import DragByOptimisation

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.optimize import DragResult, Features

__all__ = ["DragDiffusion"]


class DragDiffusion(DragByOptimisation):
    """Drag points by changing the noisy picture itself, and let it borrow its looks from the original."""

    paper: ClassVar[str] = "DragDiffusion, arXiv 2306.14435"

    guidance_scale: float = Field(default=1.0, ge=1, le=100)
    """Classifier-free guidance; 1 is right for photographs, a generated picture may need its own."""
    negative_prompt: str = ""
    """What the picture does not show; matters with guidance only."""
    reference: bool = True
    """Let self-attention look at the original picture while sampling."""
    start_step: int = Field(default=0, ge=0, le=1000)
    """Steps of the run before it looks there."""
    start_layer: int | None = Field(default=None, ge=0, le=1000)
    """Self-attention layers from this one on do; by default those of the decoder at full and half size."""

    @property
    def words(self) -> str:
        """The prompt, or else the negative prompt."""
        return self.first_prompt or self.negative_prompt

    def drag(self, batch: EditBatch) -> Tensor | None:
        """Optimise x at the step of ``strength``, then denoise it beside the original."""
        from scumble.methods.inversion_for import inversion_for

        inversion = inversion_for(batch, self.plan(batch))
        if inversion.first == inversion.steps:
            return None
        with batch.watch.phase("optimize", self.iterations, counts=False):
            found = self.search(batch, inversion)
        return self.finished(batch, self.render(batch, inversion, found), found)

    def search(self, batch: EditBatch, inversion: Inversion) -> DragResult:
        """Optimise; the mask term holds the next latent. Without a mask there is none."""
        from scumble.methods.drag.features import LatentFeatures
        from scumble.methods.drag.optimize import optimize

        ctx = batch.context(inversion.levels, inversion.solver(batch.model))
        held = None if batch.change is None else 1 - self._mask(batch)
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        look = LatentFeatures(batch.model, ctx, inversion.first, guidance, self.site(batch), held is not None)

        def preserve(z: Tensor, seen: Features, first: Features) -> Tensor:
            assert held is not None and seen.after is not None and first.after is not None
            return self.mask_weight * ((seen.after - first.after) * held).abs().sum()

        term, x = None if held is None else preserve, inversion.x_at(inversion.first)
        if not self.pulls:
            return optimize(x, look, self.grid(batch), self.settings(batch), term, self.progress(batch))
        begin = self.pulled(batch, inversion)
        return optimize(
            begin, look, self.grid(batch), self.settings(batch), term, self.progress(batch), lambda: look(x)
        )

    def _mask(self, batch: EditBatch) -> Tensor:
        assert batch.change is not None
        if self.compat == "official":  # nearest, as F.interpolate does it: the first pixel of each cell
            return (batch.change > 0).float()[..., :: batch.model.factor, :: batch.model.factor].to(batch.model.device)
        return (batch.latent_change("max") > 0).float()

    def render(self, batch: EditBatch, inversion: Inversion, found: DragResult) -> Tensor:
        """Denoise, every kept state on the way in one batch; the result is the last row.

        The original's row follows its stored path. The published code samples it anew from the same level.
        """
        import torch

        from scumble.controls.source_branch import SourceBranch
        from scumble.controls.stored_noise import StoredNoise, StoredSourceBranch
        from scumble.methods.drag.bottleneck import StartAt
        from scumble.methods.drag.reference_attention import ReferenceAttention, reference_layers

        values = torch.cat(self.chosen(found))
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        original: list[Control] = []
        if self.reference:
            original = [StoredSourceBranch(inversion, guidance.cond, "source")]
            if "uncond" in guidance.names:
                original.append(StoredSourceBranch(inversion, guidance.uncond, "source_uncond"))
            if self.compat == "official":
                original = [SourceBranch(guidance, x=inversion.x_at(inversion.first))]
            layers = reference_layers(batch.model.denoiser, self.start_layer)
            original.append(ReferenceAttention(layers, inversion.first + self.start_step))
        controls = [StartAt(values, inversion.first), *self.keep_outside_map(batch, inversion), guidance, *original]
        if self.compat != "official":
            controls.append(StoredNoise(inversion))
        return replace(batch, count=len(values)).denoise(inversion.levels, inversion.solver(batch.model), controls)
