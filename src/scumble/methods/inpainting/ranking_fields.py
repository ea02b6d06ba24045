"""Fields of methods whose candidates CLIP ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from scumble.errors import CheckpointError
from scumble.file_field import FileField
from scumble.methods.candidates import Candidates
from scumble.methods.clip_scorer import scorer_of
from scumble.methods.inpainting.ranking import RankBy, best_first, candidate_distances
from scumble.methods.method import Method

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["ClipRanking"]


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
