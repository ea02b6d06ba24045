"""Fields shared by inpainting methods: a binary mask, the start of its region, and ranking by CLIP."""

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
"""Start level for a filled region: the first with s <= FILLED_NOISE * a. From pure noise and without a prompt a sampler
draws whatever its model likes, mostly objects; from here it finishes the filling. Latent models do equally well from
0.5 to 1.6; a briefly trained pixel model needs less noise, and more noise loses the filling's colors."""


class MaskFields(ImageMethod):
    """A method with a binary mask: the change map at 0.5 or more is inside."""

    invert_mask: bool = False
    """Change the outside of the mask instead of the inside: another background for the same object."""
    enforce_background: bool = True
    """Keep the bytes of pixels outside the mask; False shows the model's version of them."""

    def prepare_map(self, change: Tensor) -> Tensor:
        """Threshold at 0.5, and invert where asked for."""
        inside = change >= 0.5
        return (~inside if self.invert_mask else inside).float()

    @property
    def keeps_outside(self) -> bool:
        """As given."""
        return self.enforce_background

    def mask(self, batch: EditBatch, coarse: bool = True) -> Tensor:
        """The boolean mask (1 or B, 1, h, w) in the model's space, all true where there is none.

        A cell is inside if at least half of its pixels are. If a sample's mask is too thin for that, every cell that
        it touches is inside, so that no mask is lost.
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


class ClipRanking(Method):
    """A method whose candidates are ranked by how well they show the prompt."""

    keep: int | None = Field(default=None, ge=1, le=10_000)
    """How many candidates to return, best first. Default: all."""
    rank: bool = True
    """Sort several candidates by their CLIP distance to the prompt."""
    rank_by: RankBy = "context"
    """What CLIP sees for the ranking: the region within the source (context), on gray (mask), a crop around it, the
    whole image (picture), or as published (official)."""
    clip: Annotated[str, FileField("model")] = "clip"
    """CLIP for guidance and ranking: clip (bundled), a transformers folder, or a hub id."""

    def check(self, batch: EditBatch) -> None:
        """Refuse a missing CLIP before anything is computed, if the user relies on it."""
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
    """Cache key of the CLIP of this name."""
    return Key(f"clip/{name}", everywhere=True)


def scorer_of(cache: Cache, name: str, device: torch.device) -> ClipScorer:
    """Return the CLIP of an edit, loaded once.

    Raises:
        CheckpointError: If there is none of this name.
    """
    from scumble.models.clip import ClipScorer

    return cache.get_or_make(clip_key(name), lambda: ClipScorer.load(name, device))
