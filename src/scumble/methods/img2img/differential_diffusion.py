"""Differential Diffusion: a strength for every pixel (arXiv 2306.00950)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.methods.base import ImageMethod, Prompted, Sampled
from scumble.methods.official import with_presets
from scumble.methods.placed import Placed
from scumble.methods.text_fields import TextFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["DifferentialDiffusion"]


class DifferentialDiffusion(Prompted, Sampled, ImageMethod, Placed, TextFields):
    """Change every pixel as strongly as the map says: before each step, restore the pixels not yet released.

    A pixel of value c is treated as SDEdit with strength c treats the whole image; a pixel of value 0 stays.
    """

    paper: ClassVar[str] = "Differential Diffusion, arXiv 2306.00950"
    strength_is_global: ClassVar[bool] = True
    tileable: ClassVar[bool] = True

    strength: float = Field(default=1.0, gt=0, le=1)
    """Strength for the whole image: the effective strength of a pixel is strength x map."""
    nested: bool = True
    """Restore all unreleased pixels before every step ("future hinting"); False is the paper's ablation."""
    fresh_noise: bool = False
    """Draw new noise for the source at every step, as the published DeepFloyd IF pipeline does."""
    map_resize: Literal["area", "bilinear", "max"] = "area"
    """How the map is resized to the model's resolution; area keeps thin structures."""
    guidance_map: Literal["follow", "constant"] = "follow"
    """follow: guidance grows with the map, relative to its strongest place, so that weakly changed places keep their
    colors; constant: the same everywhere, as in the paper."""
    source_prompt: str = ""
    """What the image shows: these words hold where the map is weak, as far as it is weak (one more row a step)."""
    compat: Literal["official"] | None = None
    """official: follow the published SD2 script, which draws from the VAE's posterior, resizes the map bilinearly
    without antialiasing, releases pixels one step earlier (``m <= i/n``), and does not keep black exactly."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Turn the map into release steps, hold each pixel on the source until then, and denoise."""
        from scumble.controls.change_map import ChangeMap, NoisedSource, release_index
        from scumble.core.guidance import following, relative
        from scumble.core.rounding import SLACK
        from scumble.core.words import PlacedWords, with_words
        from scumble.methods.placed_levels import levels_of_run

        levels, first, batch = levels_of_run(batch, self.num_inference_steps, self.solver, self.strength)
        steps = len(levels) - 1
        source, change = NoisedSource(batch.x0, fresh=self.fresh_noise), batch.latent_change(self.map_resize)
        release, fraction = release_index(change, steps, first), batch.fraction(change, steps, first)
        hold = ChangeMap(
            release, source, nested=self.nested, skip=self.nested, first=int(first + SLACK), fraction=fraction
        )
        shares, guidance = relative(change), batch.guidance(self.prompt, self.negative_prompt, self.guidance_scale)
        if self.guidance_map == "follow":
            guidance = following(guidance, shares)
        if self.source_prompt:
            guidance = with_words(guidance, PlacedWords(batch.embed(self.source_prompt), 1 - shares))
        return batch.denoise(levels, self.make_solver(batch, steps), [hold, guidance])
