"""SDEdit, also known as img2img: noise the picture to a level, denoise it under words (arXiv 2108.01073)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.base import ImageMethod, Prompted, Sampled

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["SDEdit"]


class SDEdit(Prompted, Sampled, ImageMethod):
    """Redraw a picture (a photo, a collage, coarse strokes) with one strength for all that may change."""

    paper: ClassVar[str] = "SDEdit, arXiv 2108.01073"

    strength: float = Field(default=0.6, ge=0, le=1)
    """How far to go back towards noise: 0 returns the picture, 1 keeps only a trace of it."""
    repeats: int = Field(default=1, ge=1, le=10)
    """How often the whole is repeated on its own result (K of the paper)."""

    compat: Literal["diffusers"] | None = None
    """diffusers: the rules of its img2img pipeline, that is a draw from the VAE's posterior and a number of steps
    rounded down (so that 100 steps at strength 0.29 take 28)."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Noise to the start level with one draw, denoise; a change map scales the strength of every pixel."""
        from scumble.controls.change_map import NoisedSource, start_index

        levels = batch.levels(self.num_inference_steps, self.solver)
        steps = len(levels) - 1
        first = start_index(self.strength, steps)
        x0 = batch.x0
        if self.compat == "diffusers":
            first = steps - int(steps * self.strength)
            x0 = batch.posterior_draw()
        if first == steps:
            return None
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        for k in range(self.repeats):
            tag = f"repeat{k}/" if k else ""
            keep_outside_map = batch.keep_outside_map(steps, first, NoisedSource(x0))
            x0 = batch.denoise(levels, self.make_solver(steps), [keep_outside_map, guidance], tag=tag)
        return x0
