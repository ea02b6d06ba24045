"""Settings of DiffuseIT: goals, weights of its losses, and when an attempt starts over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import AliasChoices, Field

from scumble.errors import InputError
from scumble.file_field import FileField
from scumble.methods.base import ImageMethod

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["DiffuseITFields"]

Usual = TypeVar("Usual", float, None)


class DiffuseITFields(ImageMethod):
    """Fields of DiffuseIT (arXiv 2209.15264)."""

    prompt: str = ""
    """Text prompt: what the image should show. Or give a target image."""
    source_prompt: str = ""
    """What the image shows now."""
    target_image: Annotated[str | None, FileField("image")] = None
    """Image file whose look is transferred."""
    guidance_scale: float = Field(default=3.0, ge=0, le=100)
    """Classifier-free guidance by the prompt, for models that take text (the paper's do not)."""
    num_inference_steps: int = Field(default=50, ge=2, le=1000)
    """Steps N of a full run (the paper: 100, or 200 for target images)."""
    skip: float | None = Field(default=None, ge=0, lt=1)
    """Share of the steps skipped at the noisy end; more stays closer to the image. Default: 0.4 as published, 0.15 for
    models that take text."""
    solver: Literal["ddpm", "ddim"] | None = None
    """ddpm: ancestral sampling with the checkpoint's variance, as published; ddim (the default): deterministic."""
    contrast_weight: float = Field(default=200.0, ge=0, le=1e6)
    """Weight of the contrastive structure loss (eq. 7)."""
    similarity_weight: float = Field(default=1000.0, ge=0, le=1e6)
    """Weight of the structure loss on the similarity between patches."""
    divergence_weight: float | None = Field(default=None, ge=0, le=1e6)
    """Weight of the divergence loss, which pushes each step's [CLS] token away from the previous one. Default: 100 as
    published, 0 for models that take text."""
    divergence_until: float = Field(default=0.5, ge=0, le=1)
    """Share of a full run after which the divergence loss is off."""
    clip_weight: float | None = Field(default=None, ge=0, le=1e6)
    """Weight of the CLIP loss towards the prompt. Default: 2000 as published, 0 for models that take text."""
    style_weight: float = Field(default=2000.0, ge=0, le=1e6)
    """Weight of the loss towards the target image's [CLS] token."""
    pixel_weight: float = Field(default=3000.0, ge=0, le=1e6)
    """Weight of the loss towards the target image's pixels."""
    limit: float | None = Field(default=None, ge=0, le=100)
    """Largest change of a step's predicted noise by all losses together, as a share of it; without a limit they spoil
    the first steps of very noisy runs. Default: none as published, 0.15 for models that take text."""
    range_weight: float = Field(default=200.0, ge=0, le=1e6)
    """Weight of the loss on values beyond black and white."""
    augmentations: int = Field(default=8, ge=1, le=256)
    """Number of augmented views that CLIP sees."""
    judge: Literal["x0", "mixed"] | None = None
    """What the losses look at: the predicted clean image, or mixed, its mixture with the noisy one. Default: mixed as
    published for pixel models, x0 for latent models, whose mixtures decode to nothing known."""
    resample: int = Field(default=10, ge=1, le=100)
    """How many times the first step is taken (ddpm solver only)."""
    restarts: int = Field(default=0, ge=0, le=100)
    """How many times a candidate may start over with other noise when its prediction leaves the range of images."""
    restart_above: float = Field(default=5e-5, ge=0, le=1e6)
    """Mean squared excess beyond black and white that triggers a restart."""
    match_colors: bool = Field(default=True, validation_alias=AliasChoices("match_colors", "match_colours"))
    """With a target image: match the result's colors to it at the end."""
    clip: Annotated[str, FileField("model")] = "clip"
    """CLIP for the prompt: clip (bundled), a transformers folder, or a hub id."""
    vision: Annotated[str, FileField("model")] = "clip"
    """Vision transformer: clip (bundled), a transformers folder, or a hub id such as facebook/dino-vitb8."""
    compat: Literal["official"] | None = None
    """official: follow the published code, which noises the first step back with the next step's beta and never clips
    predictions."""

    def check(self, batch: EditBatch) -> None:
        """Refuse runs without a goal, or with two.

        Raises:
            InputError: With the way out.
        """
        if not self.prompt and self.target_image is None:
            raise InputError("nothing is wished: give a --prompt for what the image should show, or a --target-image")
        if self.prompt and self.target_image is not None:
            raise InputError("a prompt and a target image exclude each other: give one of them")

    def usual(self, batch: EditBatch, given: float | None, published: Usual, with_text: float) -> float | Usual:
        """The given value, or else the default for the kind of model."""
        if given is not None:
            return given
        return with_text if batch.model.takes_text else published
