"""The source of Prompt-to-Prompt: what a seed gives, or an image along its inversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scumble.errors import InputError, MethodError
from scumble.methods.attention.word_fields import WordFields
from scumble.methods.base import FromSeed
from scumble.methods.inversion_fields import InversionFields
from scumble.methods.placed import Guided

if TYPE_CHECKING:
    from scumble.methods.attention.edit_rules import PromptPair
    from scumble.methods.batch import EditBatch
    from scumble.methods.source_run import SourceRun

__all__ = ["PromptSource"]


class PromptSource(InversionFields, FromSeed, WordFields, Guided):
    """Fields for the source whose attention is taken, and its run."""

    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    trajectory: Literal["edit-friendly", "ddim", "seed"] | None = None
    """How an image is inverted; seed: no image, the source is generated from the seed. Default: edit-friendly, or the
    kind of the inversion that is given."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps. Default: 1 for edit-friendly, else 0."""
    inversion_iterations: int = Field(default=1, ge=1, le=100)
    """Fixed-point iterations per level of a ddim inversion."""

    def draws_nothing(self, batch: EditBatch) -> bool:
        """On a ddim path of an image, or a given path."""
        given = batch.inversion is not None
        return self.variants == 1 and (given or (self.trajectory == "ddim" and batch.image is not None))

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
            fixed["prompt"] = self.compared_prompt(self.source_prompt)
        settings = self.inversion_settings(self.trajectory, **fixed)
        return along_inversion(batch, inversion_for(batch, settings, shared=self.variants > 1))

    def _from_seed(self, batch: EditBatch) -> SourceRun:
        from scumble.methods.source_run import from_seed

        if self.trajectory not in (None, "seed"):
            raise InputError(f"trajectory {self.trajectory} needs a picture to invert; without one use seed")
        if self.change_map is not None:
            raise InputError("a change map needs a picture: generate first, then edit the result with the map")
        scale = self.guidance_scale if self.source_guidance_scale is None else self.source_guidance_scale
        prompt = self.compared_prompt(self.source_prompt)
        steps = self.num_inference_steps or batch.default_steps
        return from_seed(batch, steps, self.eta or 0.0, prompt, self.negative_prompt, scale)

    def compared_prompt(self, stated: str | None) -> str:
        """The source prompt; the target prompt where only weights are changed."""
        prompt = self.prompts[0] if stated is None and self.word_weights else stated or ""
        if not prompt.strip():
            raise InputError(
                "prompt-to-prompt compares the new prompt with what the picture shows now: say that with"
                " --source-prompt (source_prompt=), also when inverting"
            )
        return prompt

    def prompt_pair(self, batch: EditBatch, source: str, targets: tuple[str, ...]) -> PromptPair:
        """The source prompt beside the targets, as tokens."""
        from scumble.methods.attention.edit_rules import PromptPair

        length = max(batch.embed(prompt).text.shape[1] for prompt in (source, *targets))
        return PromptPair(batch.model, source, targets, length)
