"""SDEdit, also known as img2img: add noise to an image, denoise it with a prompt (arXiv 2108.01073)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.base import ImageMethod, Prompted, Sampled
from scumble.methods.official import with_presets
from scumble.methods.placed import Placed
from scumble.methods.text_fields import TextFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Trajectory
    from scumble.core.schedule import Level
    from scumble.core.solver import Solver
    from scumble.methods.batch import EditBatch

__all__ = ["SDEdit"]


class SDEdit(Prompted, Sampled, ImageMethod, Placed, TextFields):
    """Redraw an image (a photo, a collage, coarse strokes) with the same strength everywhere."""

    paper: ClassVar[str] = "SDEdit, arXiv 2108.01073"
    strength_is_global: ClassVar[bool] = True
    tileable: ClassVar[bool] = True

    strength: float = Field(default=0.6, ge=0, le=1)
    """How much noise is added: 0 returns the image unchanged, 1 keeps only a trace of it."""
    repeats: int = Field(default=1, ge=1, le=10)
    """How often the whole edit is repeated on its own result (K in the paper)."""
    compat: Literal["diffusers"] | None = None
    """diffusers: follow its img2img pipeline, which draws from the VAE's posterior and rounds the number of steps
    down (100 steps at strength 0.29 run 28); below strength 1 plms begins in the middle of its levels."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Add noise up to the start level, then denoise; a change map scales the strength of every pixel."""
        from scumble.methods.placed_levels import levels_of_run

        levels, first, batch = levels_of_run(batch, self.num_inference_steps, self.solver, self.strength)
        return self.redraw(batch, levels, first, batch.x0)

    def redraw(
        self, batch: EditBatch, levels: tuple[Level, ...], first: float, x0: Tensor,
        begun: Callable[[Tensor], Trajectory] | None = None, solver: Solver | None = None,
    ) -> Tensor | None:  # fmt: skip
        """Noise ``x0`` (1 or B, C, h, w) to level ``first`` with one draw and denoise it, ``repeats`` times.

        ``begun`` makes of x0 the trajectory on which it begins, else the noised x0; ``solver`` replaces the field's.
        """
        from scumble.controls.change_map import NoisedSource
        from scumble.core.rounding import SLACK

        if int(first + SLACK) == (steps := len(levels) - 1):
            return None
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        for k in range(self.repeats):
            keep = batch.keep_outside_map(steps, first, (begun or NoisedSource)(x0))
            rule = solver or self.make_solver(batch, steps)
            x0 = batch.denoise(levels, rule, [keep, guidance], tag=f"repeat{k}/" if k else "")
        return x0
