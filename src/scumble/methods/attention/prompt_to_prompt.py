"""Prompt-to-Prompt: another prompt with the attention of the first one (arXiv 2208.01626)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from scumble.methods.attention.prompt_source import PromptSource
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.methods.attention.edit_rules import EditRules
    from scumble.methods.batch import EditBatch
    from scumble.methods.source_run import SourceRun

__all__ = ["PromptToPrompt"]


class PromptToPrompt(PromptSource):
    """Change words and keep the composition: attention is taken from the source during part of the steps.

    Edits images (which are inverted first), or what a seed and the source prompt generate.
    """

    paper: ClassVar[str] = "Prompt-to-Prompt, arXiv 2208.01626"
    scene_wide: ClassVar[bool] = True
    needs_text: ClassVar[bool] = True
    looks_inside: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True

    compat: Literal["official"] | None = None
    """official: follow the published code, which shifts the words behind a swap of unequal length, aligns padding by
    position, counts cross-attention windows in N + 1 steps, and takes all windows as shares of N even where steps are
    skipped."""

    def check(self, batch: EditBatch) -> None:
        """Make sure that the words are in the prompts before anything is computed."""
        from scumble.methods.attention.swap_sites import SwapSites

        super().check(batch)
        stated = self.source_prompt if batch.inversion is None else batch.inversion.prompt
        prompts = self.prompt_pair(batch, self.compared_prompt(stated), self.prompts)
        edit = self.attention_edit()
        edit.swap(prompts, SwapSites((), ()), 0, 1)
        edit.local_blend(prompts, batch.model.denoiser, batch.shape, lambda ctx, i: batch.x0, 0, 1)

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Sample the source beside the edit, and swap its attention in."""
        return self.swapped(batch, self.source(batch), self.self_keys)

    def swapped(
        self, batch: EditBatch, source: SourceRun, self_keys: int | None, rules: EditRules | None = None
    ) -> Tensor | None:
        """Swap the source's attention into the edited rows, blend, and keep what the map keeps."""
        from scumble.methods.attention.swap_sites import swap_sites

        if source.nothing:
            return None
        targets = tuple(self.prompts[k % len(self.prompts)] for k in range(*batch.samples))
        prompts = self.prompt_pair(batch, source.prompt, targets if self.prompts[1:] else self.prompts)
        edit, denoiser = self.attention_edit(rules), batch.model.denoiser
        swap = edit.swap(prompts, swap_sites(denoiser, batch.shape, self_keys), source.first, source.steps)
        blend = edit.local_blend(prompts, denoiser, batch.shape, source.source, source.first, source.steps)
        controls: list[Control] = [swap, blend] if blend else [swap]
        controls += source.beside(None if blend else swap.until)
        controls.append(self.target(batch, self.guidance_scale))
        return batch.denoise(source.levels, source.solver, controls)
