"""Fields of methods that drag by optimization at one noise level."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import AliasChoices, Field

from scumble.inversion.settings import InversionSettings, InversionStart

if TYPE_CHECKING:
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.settings import DragSettings
from scumble.methods.drag.fields import PointFields

__all__ = ["DragByOptimization"]


class DragByOptimization(PointFields):
    """Fields of methods that optimize at one noise level."""

    takes_inversion: ClassVar[bool] = True
    looks_inside: ClassVar[bool] = True
    advice: ClassVar[str] = "raise --iterations or --learning-rate, or drag in shorter pulls"

    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    """Steps N of a full run."""
    strength: float = Field(default=0.7, ge=0, le=1)
    """How much noise the drag happens in: more moves further and keeps less."""
    start: Literal["warp", "picture"] = "warp"
    """Where the optimization starts: warp, the noisy image pulled along the points, which moves whole objects; or
    picture, the noisy image itself, as published."""
    iterations: int = Field(default=80, ge=0, le=10000)
    """Largest number of updates; long drags need more."""
    learning_rate: float = Field(default=0.02, gt=0, le=10)
    """Step size of an update."""
    patch_radius: int = Field(default=1, ge=0, le=64, validation_alias=AliasChoices("patch_radius", "window"))
    """Radius of the patch around a point that is led along, in quarters of a latent cell."""
    radius: int = Field(default=3, ge=1, le=64)
    """Radius within which a point is searched for after each update, in quarters of a latent cell."""
    mask_weight: float = Field(default=0.1, ge=0)
    """Weight of the loss that holds everything outside the mask."""
    inversion_iterations: int = Field(default=3, ge=1, le=100)
    """Largest number of fixed-point iterations per level of the inversion; 1 is plain DDIM inversion."""
    inversion_start: InversionStart = "warm"
    """Where the inversion looks for each level first: warm is much more exact for the same cost, same as published."""
    lora_steps: int = Field(default=0, ge=0, le=10000)
    """Train a LoRA on the image for this many steps before dragging; it is kept for the next drag. 0: none."""
    lora_rank: int = Field(default=16, ge=1, le=256)
    """Rank of that LoRA."""
    lora_learning_rate: float = Field(default=5e-4, gt=0, le=1)
    """Learning rate of that LoRA."""
    frames: int = Field(default=0, ge=0, le=200)
    """Number of intermediate images of the drag to return as well."""
    compat: Literal["official"] | None = None
    """official: follow the published code, quirks included."""

    @property
    def warps(self) -> bool:
        """Whether the optimization starts at the image pulled along the points."""
        return self.start == "warp" and self.iterations > 0

    def inversion_settings(self, batch: EditBatch) -> InversionSettings:
        """How to invert: deterministic and close to exact; a given inversion is taken as it is."""
        if batch.inversion is not None:
            return InversionSettings(skip=1 - self.strength)
        return InversionSettings(
            kind="ddim",
            num_inference_steps=self.num_inference_steps,
            skip=1 - self.strength,
            prompt=self.prompt,
            iterations=self.inversion_iterations,
            tolerance=1e-3,
            inversion_start=self.inversion_start,
            offsets=True,
        )

    def inverted(self, batch: EditBatch) -> Inversion:
        """The path back to the image."""
        from scumble.methods.inversion_for import inversion_for

        return inversion_for(batch, self.inversion_settings(batch))

    def drag_settings(self, batch: EditBatch, arrived: float = 1.0, longest: float | None = 1.0) -> DragSettings:
        """The numbers of the optimization; for ``arrived`` and ``longest`` see :class:`DragSettings`."""
        import torch

        from scumble.methods.drag.settings import DragSettings

        return DragSettings(
            iterations=self.iterations,
            learning_rate=self.learning_rate,
            patch_radius=self.patch_radius,
            radius=self.radius,
            arrived=arrived,
            longest=longest,
            keep_every=max(self.iterations // self.frames, 1) if self.frames else 0,
            half=batch.model.dtype == torch.float16,
        )
