"""What the blended methods share: a mask of yes and no, and candidates ranked by a CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from scumble.core.schedule import Level
from scumble.errors import CheckpointError
from scumble.file_field import FileField
from scumble.methods.base import Candidates, ImageMethod, Method
from scumble.methods.cache import Cache, Key
from scumble.methods.inpainting.ranking import RankBy, best_first, candidate_distances

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from scumble.methods.batch import EditBatch
    from scumble.models.clip import ClipScorer

__all__ = ["RegionInit", "MaskFields", "ClipRanking", "scorer_of"]

FILLED_NOISE = 1.0
"""A filled region is begun at the first level whose noise is at most so many times its picture. Without words a sampler
that begins at noise draws whatever its model likes to draw, things most of all; here it finishes what it is given.
Between 0.5 and 1.6 a model of latents does as well anywhere; a pixel model of little training wants less noise, and
more noise takes off the colours that a neighbour gave to the filling."""


class MaskFields(ImageMethod):
    """A method that knows inside and outside only: the change map from 0.5 on is inside."""

    invert_mask: bool = False
    """Change what is outside the mask instead of inside: another background for the same object."""
    enforce_background: bool = True
    """Give pixels outside the mask back byte for byte; False shows what the model made of them."""

    def prepare_map(self, change: Tensor) -> Tensor:
        """Threshold at 0.5, and turn inside out where that is asked for."""
        inside = change >= 0.5
        return (~inside if self.invert_mask else inside).float()

    @property
    def keeps_outside(self) -> bool:
        """As asked for."""
        return self.enforce_background

    def mask(self, batch: EditBatch, coarse: bool = True) -> Tensor:
        """The boolean mask (1 or B, 1, h, w) in the model's space, all true where there is none.

        A cell is inside from half of its pixels on. A sample whose mask is too thin for that has every cell inside
        that its mask touches, so that no mask is lost.
        """
        import torch

        from scumble.images import latent_map

        factor = batch.model.factor if coarse else 1
        width, height = batch.size
        if batch.change is None:
            shape = (1, 1, height // factor, width // factor)
            return torch.ones(shape, dtype=torch.bool, device=batch.model.device)
        change = batch.change.to(batch.model.device)
        half = latent_map(change, factor, "area") >= 0.5
        touched = latent_map(change, factor, "max") > 0
        empty = ~half.flatten(1).any(dim=1)
        return torch.where(empty[:, None, None, None], touched, half)


class RegionInit(MaskFields):
    """A masked method that begins at the noised picture, or at one whose region is filled from around it."""

    begin: Literal["picture", "filled"] | None = None
    """What the region begins as, under the noise: the picture, or a filling from what is around it; by default
    filled where there are no words, so that what was there is removed."""

    skip: float | None = Field(default=None, ge=0, lt=1)
    """Share of the steps left out at the noisy end: more keeps more of what was there."""
    compat: Literal["official"] | None = None
    """official: the published code with its quirks, for comparison."""

    default_skip: ClassVar[float] = 0.0
    """Share of the steps left out where the picture is begun at and the person does not say."""

    def fills(self, batch: EditBatch) -> bool:
        """Whether the region is filled from around it: there must be something around."""
        unsaid = not self.prompt and not getattr(self, "placed_words", ())
        wanted = unsaid if self.begin is None else self.begin == "filled"
        return wanted and batch.change is not None and bool((batch.change < 0.5).flatten(1).any(dim=1).all())

    def first_step(self, batch: EditBatch, levels: Sequence[Level]) -> int:
        """The step at which the run begins."""
        from scumble.controls.change_map import start_index

        if self.skip is None and self.fills(batch):
            return next(i for i, level in enumerate(levels) if level.s <= FILLED_NOISE * level.a)
        skip = batch.use("skip", self.default_skip) if self.skip is None else self.skip
        return start_index(1 - skip, len(levels) - 1)

    def source(self, batch: EditBatch) -> Tensor:
        """What is noised and blended in (1 or B, C, h, w): the picture in the model's space, filled or not."""
        import torch

        from scumble.images import filled

        if not self.fills(batch):
            return batch.x0
        assert batch.change is not None
        picture = batch.picture[0]
        holes = (batch.change < 0.5).to(picture)
        batch.fresh = batch.change >= 0.5
        with torch.no_grad():
            return batch.model.encode(torch.stack([filled(picture, known[0]) for known in holes]))


class ClipRanking(Method):
    """A method whose candidates are ranked by how well they show the words."""

    keep: int | None = Field(default=None, ge=1, le=10_000)
    """How many of the candidates to give back, best first; all by default."""
    rank: bool = True
    """Put several candidates in the order of their distance to the words."""
    rank_by: RankBy = "context"
    """What the ranking CLIP sees: the region within the source, on grey (mask), a crop around it, the whole picture,
    or as published."""
    clip: Annotated[str, FileField("model")] = "clip"
    """The CLIP for guidance and ranking: clip (bundled), a transformers folder, or a hub id."""

    def check(self, batch: EditBatch) -> None:
        """Refuse a missing CLIP before anything is made, where the person relies on it."""
        super().check(batch)
        if self.keep is not None and self.rank and self.prompt:
            scorer_of(batch.cache, self.clip, batch.model.device)

    def finish(self, finished: Candidates) -> Sequence[int] | None:
        """Rank the candidates; their distances go into their reports."""
        prompt, total = self.first_prompt, len(finished.images)
        changed = finished.change is None or bool(finished.change.any())
        if not (self.rank and prompt and changed and (total > 1 or self.keep)):
            return list(range(total))[: self.keep] if self.keep else None
        try:
            scorer = scorer_of(finished.cache, self.clip, finished.device)
        except CheckpointError as error:
            finished.notices.append(f"the candidates are not ranked: {error}")
            return None
        distances = candidate_distances(finished.images, finished.change, prompt, scorer, self.rank_by, finished.source)
        order = best_first(distances)
        for place, k in enumerate(order):
            finished.reports[k].update(clip_distance=round(distances[k], 6), rank=place + 1, ranked_by=scorer.name)
        return best_first(distances, self.keep)


def clip_key(name: str) -> Key[ClipScorer]:
    """Where an edit keeps the CLIP of this name."""
    return Key(f"clip/{name}", everywhere=True)


def scorer_of(cache: Cache, name: str, device: torch.device) -> ClipScorer:
    """The CLIP of an edit, loaded once.

    Raises:
        CheckpointError: If there is none of this name.
    """
    from scumble.models.clip import ClipScorer

    return cache.get_or_make(clip_key(name), lambda: ClipScorer.load(name, device))
