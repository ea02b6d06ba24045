"""DiffuseIT: another look for a picture, from words or from another picture (arXiv 2209.15264).

The paper guides an unconditional model of pixels. Here it guides latent models too: the prediction is decoded, and the
losses' gradient goes back through the decoder. A model that takes words follows them by itself; the losses then hold
the structure, which lets the run begin in more noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeVar

from pydantic import AliasChoices, Field

from scumble.errors import InputError, MethodError
from scumble.file_field import FileField
from scumble.methods.base import ImageMethod
from scumble.methods.inpainting.fields import scorer_of

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.energies.protocol import Energy, Judged, Place
    from scumble.methods.batch import EditBatch

__all__ = ["DiffuseIT"]


Usual = TypeVar("Usual", float, None)


class DiffuseIT(ImageMethod):
    """Give a picture another meaning or look and keep its structure: towards words, or towards a target picture.

    Guides any model by a vision transformer: one forward and one backward of the network a step, one row more where
    the model follows words.
    """

    paper: ClassVar[str] = "DiffuseIT, arXiv 2209.15264"
    scene_wide: ClassVar[bool] = True

    prompt: str = ""
    """What the picture shall show; or give a target picture."""
    source_prompt: str = ""
    """What it shows now."""
    target_image: Annotated[str | None, FileField("image")] = None
    """File of a picture whose look is taken."""
    guidance_scale: float = Field(default=3.0, ge=0, le=100)
    """Classifier-free guidance by the prompt, of models that take words; the paper's do not."""
    num_inference_steps: int = Field(default=50, ge=2, le=1000)
    """Steps N of a full run (100 in the paper, 200 for target pictures)."""
    skip: float | None = Field(default=None, ge=0, lt=1)
    """Share of the steps left out at the noisy end: more stays closer to the picture. By default 0.4 as published, and
    0.15 for models that take words."""
    solver: Literal["ddpm", "ddim"] | None = None
    """ddpm: ancestral, with the checkpoint's own variance, as published; ddim (the default): deterministic."""
    contrast_weight: float = Field(default=200.0, ge=0, le=1e6)
    """How firmly places stay tellable apart as they are."""
    similarity_weight: float = Field(default=1000.0, ge=0, le=1e6)
    """How firmly places stay alike as they are."""
    divergence_weight: float | None = Field(default=None, ge=0, le=1e6)
    """How strongly each step leaves where the last one was, in the first part of the run. By default 100 as published,
    and 0 for models that take words."""
    divergence_until: float = Field(default=0.5, ge=0, le=1)
    """Share of a full run after which that rests."""
    clip_weight: float | None = Field(default=None, ge=0, le=1e6)
    """How strongly the CLIP pulls towards the words. By default 2000 as published, and 0 for models that take words."""
    style_weight: float = Field(default=2000.0, ge=0, le=1e6)
    """How strongly the target's look pulls."""
    pixel_weight: float = Field(default=3000.0, ge=0, le=1e6)
    """How strongly the target's pixels pull."""
    limit: float | None = Field(default=None, ge=0, le=100)
    """Most that all losses together may add to the noise of a step, as a share of it: where a run begins in much noise,
    their sum spoils the first steps otherwise. By default none as published, and 0.15 for models that take words."""
    range_weight: float = Field(default=200.0, ge=0, le=1e6)
    """How strongly values beyond black and white are pulled back."""
    augmentations: int = Field(default=8, ge=1, le=256)
    """Views that the CLIP judges."""
    resample: int = Field(default=10, ge=1, le=100)
    """How often the first step is taken, by the ddpm solver."""
    restarts: int = Field(default=0, ge=0, le=100)
    """How often a candidate may begin anew, with other noise, when its prediction leaves the range of pictures."""
    restart_above: float = Field(default=5e-5, ge=0, le=1e6)
    """Mean squared excess beyond black and white at which it does."""
    match_colors: bool = Field(default=True, validation_alias=AliasChoices("match_colors", "match_colours"))
    """With a target picture: bring the result to its colours in the end."""
    clip: Annotated[str, FileField("model")] = "clip"
    """The CLIP of the words: clip (bundled), a transformers folder, or a hub id."""
    vision: Annotated[str, FileField("model")] = "clip"
    """The vision transformer: clip (bundled), a transformers folder, or a hub id such as facebook/dino-vitb8."""
    compat: Literal["official"] | None = None
    """official: as published, that is the first step is noised back with the next one's beta, and predictions are
    never clipped."""

    def check(self, batch: EditBatch) -> None:
        """Refuse runs without a goal.

        Raises:
            InputError: With the way out.
        """
        if not self.prompt and self.target_image is None:
            raise InputError("nothing is wished: say with --prompt what it shall show, or give a --target-image")
        if self.prompt and self.target_image is not None:
            raise InputError("a prompt and a target image exclude each other: give one of them")

    def run(self, batch: EditBatch) -> Tensor | None:
        """Noise the picture to the middle, and denoise it under the sum of all losses; begin anew where it strays."""
        from scumble.methods.guidance.restarts import with_restarts

        if not self.restarts:
            return self._once(batch)
        return with_restarts(batch, self.restarts + 1, self._once)

    def _once(self, batch: EditBatch, tag: str = "", watched: bool = False) -> Tensor:
        import torch

        from scumble.controls.activation_reader import ActivationReader
        from scumble.controls.change_map import ChangeMap, NoisedSource, release_index, start_index
        from scumble.controls.energy_guidance import ClassifierGuidance
        from scumble.core.solvers import Ddim
        from scumble.energies.protocol import WeightedEnergy
        from scumble.methods.guidance.divergence_check import DivergenceCheck
        from scumble.methods.guidance.resample import Resample
        from scumble.methods.inpainting.ancestral import ancestral

        official = self.compat == "official"
        rule = self.solver or ("ddpm" if official else "ddim")
        levels = batch.levels(self.num_inference_steps)
        steps = len(levels) - 1
        first = start_index(1 - batch.use("skip", self._usual(batch, self.skip, 0.4, 0.15)), steps)
        if levels[first].a == 0:
            raise MethodError(
                f"{batch.model.name} begins in pure noise (zero terminal SNR), where losses have nothing to look at:"
                f" raise --skip or --num-inference-steps ({self.num_inference_steps})"
            )
        source = NoisedSource(batch.x0)
        release = release_index(batch.latent_change(), steps, first)
        # What is free from the start is not put back when the first step is taken again.
        keep_outside_map = ChangeMap(torch.where(release == first, first - 1, release), source, first=first)
        place: Place = "mean" if rule == "ddpm" else "eps"
        scale = self.guidance_scale
        words = batch.guidance((self.prompt or self.source_prompt) if scale else "", "", scale or 1.0)
        guidance = ClassifierGuidance(
            [WeightedEnergy(energy, place=place) for energy in self.energies(batch, steps)],
            words.cond,
            ActivationReader(decode=batch.model.decode),
            cap=None if official else batch.use("limit", self._usual(batch, self.limit, None, 0.15)),
        )
        again = Resample(first, self.resample if rule == "ddpm" else 1, official)
        watch = [DivergenceCheck(first, self.restart_above, decode=batch.model.decode)] if watched else []
        run = batch.without_clipping() if official else batch
        solver = Ddim() if rule == "ddim" else ancestral(batch)
        return run.denoise(levels, solver, [keep_outside_map, words, *watch, guidance, again], tag=tag)

    def decode(self, batch: EditBatch, made: Tensor) -> Tensor:
        """Bring the pictures to the target's colours."""
        from scumble.images.color import match_colors
        from scumble.methods.judges import other_picture

        pictures = super().decode(batch, made)
        if self.target_image is None or not self.match_colors:
            return pictures
        return match_colors(pictures, other_picture(batch, self.target_image))

    def energies(self, batch: EditBatch, steps: int) -> list[Energy]:
        """The losses; of latents they judge the decoded prediction, since with noise they decode to nothing known."""
        import torch

        from scumble.energies.clip import ClipGoal, composed_goal
        from scumble.energies.picture import PixelDistance, RangeExcess
        from scumble.energies.vit import VitEnergy
        from scumble.methods.judges import other_picture, tower_of

        of: Judged = "mixed" if batch.model.factor == 1 else "x0"
        extract, source = tower_of(batch.cache, self.vision, batch.model.device), batch.picture
        with torch.no_grad():
            known = extract(source)
            target = None if self.target_image is None else extract(other_picture(batch, self.target_image))
        rest = steps - 1 - round((1 - self.divergence_until) * steps)
        style = 0.0 if target is None else self.style_weight
        divergence = batch.use("divergence_weight", self._usual(batch, self.divergence_weight, 100.0, 0.0))
        weights = self.contrast_weight, self.similarity_weight, divergence, style
        energies: list[Energy] = [VitEnergy(extract, known, target, *weights, rest, of)] if any(weights) else []
        if self.target_image is not None and self.pixel_weight:
            energies.append(PixelDistance(other_picture(batch, self.target_image), self.pixel_weight, of))
        clip_weight = batch.use("clip_weight", self._usual(batch, self.clip_weight, 2000.0, 0.0))
        if self.prompt and clip_weight:
            scorer = scorer_of(batch.cache, self.clip, batch.model.device)
            goal = composed_goal(scorer, self.prompt, self.source_prompt, source)
            energies.append(ClipGoal(scorer, goal, clip_weight, self.augmentations, of))
        if self.range_weight:
            energies.append(RangeExcess(self.range_weight))
        return energies

    def _usual(self, batch: EditBatch, given: float | None, published: Usual, with_words: float) -> float | Usual:
        """What was given, or else what is usual for the kind of model."""
        if given is not None:
            return given
        return with_words if batch.model.takes_text and not self.compat else published
