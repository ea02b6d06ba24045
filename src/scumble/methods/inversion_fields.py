"""Fields shared by inversion-based methods."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from scumble.inversion.settings import InversionSettings, InversionStart, Kind
from scumble.methods.base import ImageMethod
from scumble.methods.footprint import Footprint

if TYPE_CHECKING:
    from scumble.core.guidance import Guidance
    from scumble.methods.batch import EditBatch

__all__ = ["InversionFields"]


class InversionFields(ImageMethod):
    """Fields of methods that invert the image first. With an inversion given, None means: as in the file."""

    takes_inversion: ClassVar[bool] = True
    takes_prompts: ClassVar[bool] = True
    footprint: ClassVar[Footprint] = Footprint(path=1)

    prompt: str | tuple[str, ...] = ""
    """Text prompt: what the image should show. With K prompts, candidate k uses prompt k mod K; all share one
    inversion."""
    negative_prompt: str = ""
    """What the image should not show."""
    source_prompt: str | None = None
    """What the image shows now; on the command line auto describes one of the bundled world. May be left empty, which
    halves the cost of the inversion."""
    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    """Steps N of a full run. Default: 50."""
    source_guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Classifier-free guidance while inverting. Default: 1."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps that is not run again: larger stays closer to the image."""
    inversion_start: InversionStart = "warm"
    """Where a ddim inversion looks for a level first: warm is much more exact at the same cost, same as published."""
    chunk: int | None = Field(default=None, ge=1, le=1024)
    """Noise levels per network call of the inversion. Default: chosen by free memory."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """The target prompts, at least one."""
        return (self.prompt,) if isinstance(self.prompt, str) else self.prompt or ("",)

    @property
    def variants(self) -> int:
        """One candidate for each prompt."""
        return len(self.prompts)

    @property
    def words(self) -> str:
        """The prompt, or else the negative prompt."""
        return self.first_prompt or self.negative_prompt

    def inversion_settings(self, kind: Kind | None = None, **more: object) -> InversionSettings:
        """The settings of the inversion, from the fields and from what the method fixes."""
        stated = {
            "kind": kind,
            "prompt": self.source_prompt,
            "num_inference_steps": self.num_inference_steps,
            "skip": self.skip,
            "guidance_scale": self.source_guidance_scale,
            "chunk": self.chunk,
            "inversion_start": self.inversion_start,
        }
        return InversionSettings.model_validate({**stated, **more})

    def target(self, batch: EditBatch, scale: float) -> Guidance:
        """Guidance towards the prompt; with several, of each candidate towards its own."""
        from scumble.core.conditioning import Conditioning

        guidance = batch.guidance(self.prompts[0], self.negative_prompt, scale)
        if len(self.prompts) == 1:
            return guidance
        embedded = {prompt: batch.embed(prompt) for prompt in self.prompts}
        rows = [embedded[self.prompts[k % len(self.prompts)]] for k in range(*batch.samples)]
        return replace(guidance, cond=Conditioning.cat(rows))
