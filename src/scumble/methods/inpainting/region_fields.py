"""Fields of masked methods that start from the image or from a filled region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.core.schedule import Level
from scumble.methods.inpainting.fields import MaskFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["RegionInit"]

FILLED_NOISE = 1.0
"""Start level for a filled region: the first with s <= FILLED_NOISE * a. From pure noise and without a prompt a sampler
draws whatever its model likes, mostly objects; from here it finishes the filling. Latent models do equally well from
0.5 to 1.6; a briefly trained pixel model needs less noise, and more noise loses the filling's colors."""


class RegionInit(MaskFields):
    """A masked method that starts from the noised image, or from one whose region is filled from its surroundings."""

    begin: Literal["picture", "filled"] | None = None
    """What the region starts from, under the noise: the image (picture), or a filling from its surroundings (filled).
    Default: filled without a prompt, which removes what was there; else picture."""

    skip: float | None = Field(default=None, ge=0, lt=1)
    """Share of the steps skipped at the noisy end: more keeps more of what was there."""
    compat: Literal["official"] | None = None
    """official: follow the published code, quirks included, for comparison."""

    default_skip: ClassVar[float] = 0.0
    """Default of ``skip`` for runs that start from the image."""

    def surroundings(self, batch: EditBatch) -> Tensor | None:
        """Where the region is filled from (1 or B, 1, H, W), truth values; None: it is not, or there is nothing."""
        empty = not self.prompt and not getattr(self, "placed_words", ())
        wanted = empty if self.begin is None else self.begin == "filled"
        if not wanted or batch.change is None:
            return None
        around = batch.change < 0.5
        return around if bool(around.flatten(1).any(dim=1).all()) else None

    def first_step(self, batch: EditBatch, levels: Sequence[Level]) -> int:
        """The first step of the run."""
        from scumble.controls.change_map import start_index

        if self.skip is None and self.surroundings(batch) is not None:
            return next(i for i, level in enumerate(levels) if level.s <= FILLED_NOISE * level.a)
        skip = batch.use("skip", self.default_skip) if self.skip is None else self.skip
        return start_index(1 - skip, len(levels) - 1)

    def source(self, batch: EditBatch) -> Tensor:
        """The image in the model's space, filled or not (1 or B, C, h, w); it is noised and blended in."""
        import torch

        from scumble.images import filled

        around = self.surroundings(batch)
        if around is None:
            return batch.x0
        picture, batch.fresh = batch.picture[0], ~around
        with torch.no_grad():
            return batch.model.encode(torch.stack([filled(picture, known[0]) for known in around.to(picture)]))
