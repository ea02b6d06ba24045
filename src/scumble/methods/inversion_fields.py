"""Fields shared by inversion-based methods."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from scumble.inversion.settings import InversionSettings, InversionStart, Kind
from scumble.methods.base import ImageMethod

if TYPE_CHECKING:
    from scumble.core.guidance import Guidance
    from scumble.methods.batch import EditBatch

__all__ = ["InversionFields"]


class InversionFields(ImageMethod):
    """Fields of methods that invert the picture first. With an inversion given, None means: as in the file."""

    takes_inversion: ClassVar[bool] = True

    prompt: str | tuple[str, ...] = ""
    """What the picture shall show. With K prompts candidate k shows prompt k mod K, all from one inversion."""
    negative_prompt: str = ""
    """What it shall not show."""
    source_prompt: str | None = None
    """What the picture shows now; empty works too, and costs half."""
    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    """Steps N of a full run; 50."""
    source_guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Guidance while inverting; 1."""
    skip: float | None = Field(default=None, ge=0, le=1)
    """Share of the steps of the inversion that is not run again: larger stays closer to the image."""
    inversion_start: InversionStart = "warm"
    """Where a ddim inversion looks for a level first: warm is much more exact at the same cost, same as published."""
    chunk: int | None = Field(default=None, ge=1, le=1024)
    """Levels per network call of the inversion; chosen by free memory."""

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

    def inversion_settings(self, kind: Kind | None = None, **more: Any) -> InversionSettings:
        """The settings of the inversion, from the fields and from what the method fixes."""
        return InversionSettings(
            **{
                "kind": kind,
                "prompt": self.source_prompt,
                "num_inference_steps": self.num_inference_steps,
                "skip": self.skip,
                "guidance_scale": self.source_guidance_scale,
                "chunk": self.chunk,
                "inversion_start": "same" if getattr(self, "compat", None) == "official" else self.inversion_start,
                **more,
            }
        )

    def target(self, batch: EditBatch, scale: float) -> Guidance:
        """Guidance towards the prompt, or of each candidate towards its own."""
        from scumble.core.conditioning import Conditioning

        guidance = batch.guidance(self.prompts[0], self.negative_prompt, scale)
        if len(self.prompts) == 1:
            return guidance
        told = {prompt: batch.embed(prompt) for prompt in self.prompts}
        own = [told[self.prompts[k % len(self.prompts)]] for k in range(*batch.samples)]
        return replace(guidance, cond=Conditioning.cat(own))
