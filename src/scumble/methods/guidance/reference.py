"""A reference image from which words take their look, color or shape (arXiv 2306.00986)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from scumble.file_field import FileField
from scumble.methods.cache import Key
from scumble.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.controls.energy_sources import SourceRow
    from scumble.methods.batch import EditBatch

__all__ = ["Reference"]


class Reference(Settings):
    """A reference image from which words take their look, color or shape; it is noised to every level."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    image: Annotated[str, FileField("image")]
    """Image file."""
    prompt: str
    """What the reference shows."""
    words: dict[str, str]
    """Phrase of the prompt: the phrase of the reference that it takes from."""
    take: tuple[Literal["look", "colour", "shape"], ...] = ("look",)
    """What is taken: the look (features of the network), the mean color, or the shape."""
    weight: float = Field(default=1.0, ge=0, le=1e4)
    """Weight of the reference."""

    def row(self, batch: EditBatch) -> SourceRow:
        """The image as a row beside the run, encoded once per edit."""
        import torch

        from scumble.controls.energy_sources import SourceRow
        from scumble.methods.judges import other_picture

        def encoded() -> Tensor:
            with torch.no_grad():
                return batch.model.encode(other_picture(batch, self.image))

        key: Key[Tensor] = Key(f"reference/{self.image}")
        x0 = batch.cache.get_or_make(key, encoded)
        draw = batch.noise.normal(batch.shape, "reference", 0).to(x0.device)
        return SourceRow(batch.embed(self.prompt), lambda ctx, i: ctx.noised(x0, draw, i))
