"""DiffuseIT: change what an image shows or its look, guided by a vision transformer (arXiv 2209.15264).

The paper guides unconditional pixel models. Here latent models work too: the prediction is decoded, and the losses'
gradient goes back through the decoder. A model that takes text follows the prompt by itself; the losses then hold the
structure, so the run can start with more noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from scumble.errors import MethodError
from scumble.methods.footprint import Footprint
from scumble.methods.guidance.diffuseit_fields import DiffuseITFields
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.energies.protocol import Place
    from scumble.methods.batch import EditBatch
    from scumble.methods.guidance.resample import Resample

__all__ = ["DiffuseIT"]


class DiffuseIT(DiffuseITFields):
    """Change what an image shows or its look and keep its structure: towards a prompt, or towards a target image.

    Guides any model by a vision transformer: one forward and one backward pass of the network per step, and one more
    row where the model takes text.
    """

    paper: ClassVar[str] = "DiffuseIT, arXiv 2209.15264"
    scene_wide: ClassVar[bool] = True
    looks_inside: ClassVar[bool] = True
    footprint: ClassVar[Footprint] = Footprint(through_decoder=1)

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Noise the image halfway and denoise it under the sum of all losses; start over where it diverges."""
        from scumble.methods.guidance.resample import Resample

        cap = batch.use("limit", self.usual(batch, self.limit, None, 0.15))
        return self.attempts(batch, lambda one, tag, watched: self.sample(one, tag, watched, cap, Resample))

    def attempts(self, batch: EditBatch, sample: Callable[[EditBatch, str, bool], Tensor]) -> Tensor:
        """Call ``sample(batch, tag, watched)`` once, or each candidate until it stays within the range of images."""
        from scumble.methods.guidance.restarts import with_restarts

        return with_restarts(batch, self.restarts + 1, sample) if self.restarts else sample(batch, "", False)

    def sample(self, batch: EditBatch, tag: str, watched: bool, cap: float | None, resample: type[Resample]) -> Tensor:
        """Denoise once, with the noise of ``tag``.

        Args:
            batch: The candidates.
            tag: Part of the noise's name.
            watched: Raise ``Diverged`` where the prediction leaves the range of images.
            cap: Limit of the shift of the predicted noise.
            resample: How the first step is repeated.
        """
        import torch

        from scumble.controls.activation_reader import ActivationReader
        from scumble.controls.change_map import ChangeMap, NoisedSource, release_index, start_index
        from scumble.controls.classifier_guidance import ClassifierGuidance
        from scumble.core.solvers import Ddim
        from scumble.energies.protocol import WeightedEnergy
        from scumble.methods.guidance.diffuseit_losses import diffuseit_losses
        from scumble.methods.guidance.divergence_check import DivergenceCheck
        from scumble.methods.inpainting.ancestral import ancestral

        rule = self.solver or "ddim"
        levels = batch.levels(self.num_inference_steps)
        steps = len(levels) - 1
        first = start_index(1 - batch.use("skip", self.usual(batch, self.skip, 0.4, 0.15)), steps)
        if levels[first].a == 0:
            raise MethodError(
                f"{batch.model.name} begins in pure noise (zero terminal SNR), where losses have nothing to look at:"
                f" raise --skip or --num-inference-steps ({self.num_inference_steps})"
            )
        release = release_index(batch.latent_change(), steps, first)
        # What is free from the start is not put back when the first step is taken again.
        release = torch.where(release == first, first - 1, release)
        keep_outside_map = ChangeMap(release, NoisedSource(batch.x0), first=first)
        place: Place = "mean" if rule == "ddpm" else "eps"
        scale = self.guidance_scale
        text = batch.guidance((self.prompt or self.source_prompt) if scale else "", "", scale or 1.0)
        guides = [WeightedEnergy(energy, place=place) for energy in diffuseit_losses(self, batch, steps)]
        guidance = ClassifierGuidance(guides, text.cond, ActivationReader(decode=batch.model.decode), cap=cap)
        again = resample(first, self.resample if rule == "ddpm" else 1)
        watch = [DivergenceCheck(first, self.restart_above, decode=batch.model.decode)] if watched else []
        solver = Ddim() if rule == "ddim" else ancestral(batch)
        return batch.denoise(levels, solver, [keep_outside_map, text, *watch, guidance, again], tag=tag)

    def decode(self, batch: EditBatch, result: Tensor) -> Tensor:
        """Decode, and match the target image's colors."""
        from scumble.images.color import match_colors
        from scumble.methods.judges import other_picture

        pictures = super().decode(batch, result)
        if self.target_image is None or not self.match_colors:
            return pictures
        return match_colors(pictures, other_picture(batch, self.target_image))
