"""Differential Diffusion: a strength for every pixel (arXiv 2306.00950)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.base import ImageMethod, Prompted, Sampled

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["DifferentialDiffusion"]


class DifferentialDiffusion(Prompted, Sampled, ImageMethod):
    """Change every pixel as strongly as the map says: before each step, put back what is not yet released.

    A pixel of value c is treated as SDEdit with strength c treats the whole picture; a pixel of value 0 stays.
    """

    paper: ClassVar[str] = "Differential Diffusion, arXiv 2306.00950"

    strength: float = Field(default=1.0, gt=0, le=1)
    """A strength for the whole picture on top: the effective strength of a pixel is strength x map."""
    nested: bool = True
    """Put all unreleased pixels back at every step ("future hinting"); False is the paper's ablation."""
    fresh_noise: bool = False
    """Noise the source anew at every step, as the published DeepFloyd IF pipeline does."""
    map_resize: Literal["area", "bilinear", "max"] = "area"
    """How the map comes to the model's resolution; area keeps thin structures."""
    compat: Literal["official"] | None = None
    """official: the published SD2 script, that is a draw from the VAE's posterior, a bilinear map without
    antialiasing, pixels released at ``m <= i/n`` (one step earlier), and white that is not kept exactly."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Arrange the map's release steps, hold the source until then, denoise under the words."""
        from scumble.controls.change_map import ChangeMap, NoisedSource, release_index, start_index

        if self.compat == "official":
            return self._official(batch)
        levels = batch.levels(self.num_inference_steps, self.solver)
        steps = len(levels) - 1
        first = start_index(self.strength, steps)
        source = NoisedSource(batch.x0, fresh=self.fresh_noise)
        release = release_index(batch.latent_change(self.map_resize), steps, first)
        keep_outside_map = ChangeMap(release, source, nested=self.nested, skip=self.nested, first=first)
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        return batch.denoise(levels, self.make_solver(steps), [keep_outside_map, guidance])

    def _official(self, batch: EditBatch) -> Tensor:
        """diff_pipe.py of the published code, section 3.1 and 3.2 of its method."""
        import torch

        from scumble.controls.change_map import ChangeMap, NoisedSource
        from scumble.images import latent_map

        levels = batch.levels(self.num_inference_steps, self.solver)
        steps = len(levels) - 1
        first = steps - min(int(steps * self.strength), steps) if self.strength < 1 else 0
        x0 = batch.posterior_draw()
        keep = latent_map(_keep(batch), batch.model.factor, "bilinear").to(batch.model.device)
        thresholds = torch.arange(steps - first, dtype=torch.float32, device=keep.device) / (steps - first)
        released = (keep.unsqueeze(-1) > thresholds).sum(-1) - 1
        keep_outside_map = ChangeMap(
            first + released.clamp_min(0),
            NoisedSource(x0, fresh=self.fresh_noise),
            nested=self.nested,
            skip=False,
            first=first,
            exact_end=False,
        )
        guidance = batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        return batch.denoise(levels, self.make_solver(steps), [keep_outside_map, guidance])


def _keep(batch: EditBatch) -> Tensor:
    """The published code's map (white keeps), to the last bit: 8-bit values decide ties with the thresholds."""
    import torch

    if batch.change is None:
        return torch.zeros(1, 1, *batch.picture.shape[2:])
    keep = 1.0 - batch.change
    eighth = (keep * 255).round() / 255
    return torch.where((keep - eighth).abs() < 1e-6, eighth, keep)
