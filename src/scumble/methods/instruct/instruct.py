"""Edit a picture as it is asked to: InstructPix2Pix (arXiv 2211.09800)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from scumble.methods.base import ImageMethod, Prompted, Sampled

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.methods.batch import EditBatch

__all__ = ["Instruct"]


class Instruct(Prompted, Sampled, ImageMethod):
    """Follow an instruction such as `make the cube blue`; needs an instruction model.

    The network sees the whole picture at every step. A change map says where the result may differ: cells are held on
    the noised picture until the step of their strength, and pixels of value 0 come back byte for byte.
    """

    paper: ClassVar[str] = "InstructPix2Pix, arXiv 2211.09800"
    needs_text: ClassVar[bool] = True
    takes_instructions: ClassVar[bool] = True

    prompt: str = ""
    """What is to be done with the picture."""
    guidance_scale: float = Field(default=7.5, ge=0, le=100)
    """How strongly the instruction acts."""
    image_guidance_scale: float = Field(default=1.5, ge=0, le=100)
    """How close the result stays to the picture."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Denoise from pure noise under both scales, holding what the change map keeps."""
        import torch

        from scumble.methods.instruct.guidance import InstructionGuidance

        levels = batch.levels(self.num_inference_steps, self.solver)
        steps = len(levels) - 1
        batch.watch.ask()
        with torch.no_grad():
            picture = batch.model.read_picture(batch.picture)
        cond, uncond = batch.embed(self.prompt), batch.embed(self.negative_prompt)
        guidance = InstructionGuidance(
            cond, uncond, self.guidance_scale, picture=picture, image_scale=self.image_guidance_scale
        )
        controls: list[Control] = [guidance]
        if batch.change is not None and not bool((batch.change == 1).all()):
            controls.insert(0, batch.keep_outside_map(steps, 0))
        return batch.denoise(levels, self.make_solver(batch, steps), controls)
