"""Fields of methods that drag points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator

from scumble.methods.base import ImageMethod
from scumble.methods.drag.points import PointPair, flat_points, pairs_of

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["PointFields"]


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


def _free(change: Tensor, point: tuple[float, float]) -> bool:
    """Whether a map (B, 1, H, W) frees the pixel at a point."""
    height, width = change.shape[-2:]
    column, row = point
    return bool(change[:, 0, min(max(round(row), 0), height - 1), min(max(round(column), 0), width - 1)].any())
