"""Fields of methods that drag points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import AliasChoices, Field, field_validator

from scumble.inversion.settings import InversionSettings, InversionStart
from scumble.methods.base import ImageMethod
from scumble.methods.drag.points import PointPair, flat_points, pairs_of

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.optimize import DragSettings

__all__ = ["DragByOptimisation", "PointFields"]


class PointFields(ImageMethod):
    """Fields of methods that move points. The change map is the mask: white may change."""

    scene_wide: ClassVar[bool] = True
    advice: ClassVar[str] = "try a larger --reach"
    """What to do about a point that did not arrive, besides what the mask can do."""

    points: tuple[tuple[float, float, float, float], ...] = ()
    """Pairs of points, from x, y to x, y, in pixels of the image; the center of the first pixel is 0, 0."""
    prompt: str = ""
    """What the image shows; may be left empty."""
    edge: Literal["fade", "cut"] = "fade"
    """How a pull ends at its reach and at the mask's edge: falling to nothing, or cut off as in version 0.1."""

    @field_validator("points", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        return flat_points(value)

    def check(self, batch: EditBatch) -> None:
        """Refuse points that cannot be dragged; give a notice where the mask holds one, and where words are missing."""
        from scumble.methods.drag.pulls import window_of

        super().check(batch)
        if batch.model.takes_text and not (self.prompt or self.needs_no_network or batch.inversion is not None):
            batch.notices.append(
                "no prompt was given: what is dragged may change its look; --prompt says what the picture shows"
            )
        for k, pair in enumerate(self.pairs(batch)):
            for what, (x, y) in (("handle", pair.handle), ("target", pair.target)):
                if batch.change is not None and not _free(batch.change, window_of(batch).point(x, y)):
                    batch.notices.append(
                        f"the {what} of pair {k + 1} lies where the mask is black: it cannot move there"
                    )

    def pairs(self, batch: EditBatch) -> tuple[PointPair, ...]:
        """The points, checked."""
        from scumble.methods.drag.pulls import window_of

        return pairs_of(self.points, window_of(batch).original)


class DragByOptimisation(PointFields):
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

        from scumble.methods.drag.optimize import DragSettings

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


def _free(change: Tensor, point: tuple[float, float]) -> bool:
    """Whether a map (B, 1, H, W) frees the pixel at a point."""
    height, width = change.shape[-2:]
    column, row = point
    return bool(change[:, 0, min(max(round(row), 0), height - 1), min(max(round(column), 0), width - 1)].any())
