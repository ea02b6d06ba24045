"""Text to image: plain sampling from noise (arXiv 2006.11239, 2010.02502, 2112.10752)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from scumble.methods.base import FromSeed, Prompted, Sampled
from scumble.methods.placed import Placed
from scumble.methods.text_fields import TextFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["TextToImage"]


class TextToImage(Prompted, FromSeed, Sampled, Placed, TextFields):
    """Generate an image from noise and a text prompt."""

    paper: ClassVar[str] = "Latent diffusion, arXiv 2112.10752; DDIM, arXiv 2010.02502"
    takes_image: ClassVar[bool] = False

    def run(self, batch: EditBatch) -> Tensor:
        """Denoise from pure noise."""
        levels = batch.levels(self.num_inference_steps, self.solver)
        guidance = batch.guidance(self.first_prompt, self.negative_prompt, self.guidance_scale)
        return batch.denoise(levels, self.make_solver(batch, len(levels) - 1), [guidance])
