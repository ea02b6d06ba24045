"""Pixel models guided by CLIP: settings, solver, and the energies of the guidance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import MethodError
from scumble.methods.clip_scorer import scorer_of
from scumble.methods.inpainting.ranking_fields import ClipRanking
from scumble.methods.inpainting.region_fields import RegionInit

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.core.solver import Solver
    from scumble.energies.protocol import Energy, Place
    from scumble.methods.batch import EditBatch

__all__ = ["ClipGuided"]


class ClipGuided(ClipRanking, RegionInit):
    """Fields and parts of Blended Diffusion's two algorithms (arXiv 2111.14818)."""

    prompt: str = ""
    """Text prompt: what the region should show. Empty: no guidance, the region is filled from its surroundings."""
    num_inference_steps: int = Field(default=100, ge=1, le=1000)
    """Steps N of a full run; for fewer than 50 use the ddim solver."""
    skip: float | None = Field(default=None, ge=0, lt=1)
    """Share of the steps skipped at the noisy end: more keeps more of what was there (strokes, colors). Default: 0.25;
    about 0.7 for a filled region."""
    solver: Literal["ddpm", "ddim"] = "ddpm"
    """ddpm: ancestral, with the checkpoint's variance; ddim: deterministic unless eta is set."""
    eta: float = Field(default=0.0, ge=0, le=1)
    """Noise of the ddim solver."""
    clip_weight: float = Field(default=1000.0, ge=0, le=1e6)
    """Weight of the CLIP loss towards the prompt."""
    range_weight: float = Field(default=50.0, ge=0, le=1e6)
    """Weight of the loss on predicted values beyond black and white."""
    augmentations: int = Field(default=8, ge=1, le=256)
    """Number of views that CLIP sees, the plain one included; a single view is easily fooled."""
    outside: Literal["source", "grey"] = "source"
    """What CLIP sees around the region: the image (source), or mid-gray (grey) as in the paper."""
    compat: Literal["official"] | None = None
    """official: follow the published code, quirks included, for comparison."""
    judge: Literal["mixed", "x0"] = "mixed"
    """What CLIP judges: s x0 + (1 - s) x_t as in the published code (mixed), or x0 as in the paper."""
    clip_batch: int = Field(default=64, ge=1, le=65536)
    """Views per CLIP call; changes memory use, not the result."""

    looks_inside: ClassVar[bool] = True
    default_skip: ClassVar[float] = 0.25

    def check(self, batch: EditBatch) -> None:
        """Refuse latent models, and settings that contradict each other."""
        if batch.model.factor != 1:
            raise MethodError(
                f"{self.method_name()} guides a pixel model by CLIP, but {batch.model.name} works on latents:"
                " use blended-latent-diffusion, or a pixel model such as still-life-pixel"
            )
        if self.eta and self.solver == "ddpm":
            raise MethodError(f"eta {self.eta:g} needs the ddim solver; ddpm has its own variance")
        if self.prompt:
            scorer_of(batch.cache, self.clip, batch.model.device)

    def sample(self, batch: EditBatch, keep_outside_map: Control, energies: list[Energy]) -> Tensor:
        """Run the loop from the first step of ``keep_outside_map``, under the gradient of the energies."""
        from scumble.controls.classifier_guidance import ClassifierGuidance
        from scumble.energies.protocol import WeightedEnergy

        levels = batch.levels(self.num_inference_steps)
        guidance = batch.guidance("", "", 1.0)
        place: Place = "mean" if self.solver == "ddpm" else "eps"
        guides = [WeightedEnergy(energy, place=place) for energy in energies]
        controls = [keep_outside_map, guidance, ClassifierGuidance(guides, guidance.cond)]
        return batch.denoise(levels, self.make_solver(batch), controls)

    def first(self, batch: EditBatch) -> int:
        """The first step of the run."""
        return self.first_step(batch, batch.levels(self.num_inference_steps))

    def make_solver(self, batch: EditBatch) -> Solver:
        """The solver, with the variance that the checkpoint was trained with.

        Raises:
            MethodError: If that variance is of an unknown type.
        """
        from scumble.core.solvers import Ddim
        from scumble.methods.inpainting.ancestral import ancestral

        return Ddim(eta=self.eta) if self.solver == "ddim" else ancestral(batch)

    def text_energies(self, batch: EditBatch, mask: Tensor) -> list[Energy]:
        """The energies of the prompt and of the range; none without a prompt."""
        from scumble.energies.clip import ClipRegion
        from scumble.energies.picture import RangeExcess

        if not self.prompt:
            return []
        energies: list[Energy] = []
        if self.clip_weight:
            scorer = scorer_of(batch.cache, self.clip, batch.model.device)
            around = batch.x0 if self.outside == "source" else None
            text = scorer.text_features([self.prompt])
            energies.append(
                ClipRegion(
                    scorer, text, mask, self.clip_weight, self.augmentations, self.clip_batch, self.judge, around=around
                )
            )
        if self.range_weight:
            energies.append(RangeExcess(self.range_weight))
        return energies
