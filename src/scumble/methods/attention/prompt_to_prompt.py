"""Prompt-to-Prompt: another prompt with the attention of the first one (arXiv 2208.01626)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import InputError, MethodError
from scumble.methods.attention.word_fields import WordFields
from scumble.methods.base import FromSeed
from scumble.methods.inversion_fields import InversionFields
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.methods.attention.attention_edit import EditRules, PromptPair
    from scumble.methods.batch import EditBatch
    from scumble.methods.source_run import SourceRun

__all__ = ["PromptToPrompt"]


class PromptToPrompt(InversionFields, FromSeed, WordFields):
    """Change words and keep the composition: attention is taken from the source during part of the steps.

    Edits images (which are inverted first), or what a seed and the source prompt generate.
    """

    paper: ClassVar[str] = "Prompt-to-Prompt, arXiv 2208.01626"
    scene_wide: ClassVar[bool] = True
    needs_text: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True

    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    trajectory: Literal["edit-friendly", "ddim", "seed"] | None = None
    """How an image is inverted; seed: no image, the source is generated from the seed. Default: edit-friendly, or the
    kind of the inversion that is given."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps. Default: 1 for edit-friendly, else 0."""
    inversion_iterations: int = Field(default=1, ge=1, le=100)
    """Fixed-point iterations per level of a ddim inversion."""
    compat: Literal["official"] | None = None
    """official: follow the published code, which shifts the words behind a swap of unequal length, aligns padding by
    position, counts cross-attention windows in N + 1 steps, and takes all windows as shares of N even where steps are
    skipped."""

    def check(self, batch: EditBatch) -> None:
        """Make sure that the words are in the prompts before anything is computed."""
        from scumble.methods.attention.attention_swap import SwapSites

        super().check(batch)
        stated = self.source_prompt if batch.inversion is None else batch.inversion.prompt
        prompts = self._prompts(batch, self._source_prompt(stated), self.prompts)
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
        from scumble.methods.attention.attention_swap import swap_sites

        if source.nothing:
            return None
        targets = tuple(self.prompts[k % len(self.prompts)] for k in range(*batch.samples))
        prompts = self._prompts(batch, source.prompt, targets if self.prompts[1:] else self.prompts)
        edit, denoiser = self.attention_edit(rules), batch.model.denoiser
        swap = edit.swap(prompts, swap_sites(denoiser, batch.shape, self_keys), source.first, source.steps)
        blend = edit.local_blend(prompts, denoiser, batch.shape, source.source, source.first, source.steps)
        controls: list[Control] = [swap, blend] if blend else [swap]
        controls += source.beside(None if blend else swap.until)
        controls.append(self.target(batch, self.guidance_scale))
        return batch.denoise(source.levels, source.solver, controls)

    def source(self, batch: EditBatch, **more: object) -> SourceRun:
        """The run of the source: from the seed, or along the image's inversion."""
        from scumble.methods.inversion_for import inversion_for
        from scumble.methods.source_run import along_inversion

        if batch.image is None and batch.inversion is None:
            return self._from_seed(batch)
        if self.trajectory == "seed":
            raise InputError(
                "trajectory seed makes its own source from the seed and takes no picture: use scumble generate"
                " (Editor.generate), or trajectory edit-friendly or ddim for a picture"
            )
        if self.trajectory == "ddim" and self.eta:
            raise MethodError(f"a ddim trajectory has no noise (eta 0), got eta {self.eta:g}: use edit-friendly")
        fixed: dict[str, object] = {"eta": self.eta, "iterations": self.inversion_iterations, "tolerance": 0.0, **more}
        if batch.inversion is None:
            fixed["prompt"] = self._source_prompt(self.source_prompt)
        settings = self.inversion_settings(self.trajectory, **fixed)
        return along_inversion(batch, inversion_for(batch, settings, shared=self.variants > 1))

    def _from_seed(self, batch: EditBatch) -> SourceRun:
        from scumble.methods.source_run import from_seed

        if self.trajectory not in (None, "seed"):
            raise InputError(f"trajectory {self.trajectory} needs a picture to invert; without one use seed")
        if self.change_map is not None:
            raise InputError("a change map needs a picture: generate first, then edit the result with the map")
        scale = self.guidance_scale if self.source_guidance_scale is None else self.source_guidance_scale
        prompt = self._source_prompt(self.source_prompt)
        steps = self.num_inference_steps or batch.default_steps
        return from_seed(batch, steps, self.eta or 0.0, prompt, self.negative_prompt, scale)

    def _prompts(self, batch: EditBatch, source: str, targets: tuple[str, ...]) -> PromptPair:
        from scumble.methods.attention.attention_edit import PromptPair

        return PromptPair(batch.model, source, targets, batch.embed(source).text.shape[1])

    def _source_prompt(self, stated: str | None) -> str:
        """The source prompt; the target prompt where only weights are changed."""
        prompt = self.prompts[0] if stated is None and self.word_weights else stated or ""
        if not prompt.strip():
            raise InputError(
                "prompt-to-prompt compares the new prompt with what the picture shows now: say that with"
                " --source-prompt (source_prompt=), also when inverting"
            )
        return prompt
