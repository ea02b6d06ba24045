"""Another picture beside the run, from which words take their look, colour or shape (arXiv 2306.00986)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from scumble.controls.energy import SourceRow
from scumble.methods.job import Job
from scumble.methods.shared.looks import other_picture
from scumble.methods.shared.once import once

__all__ = ["Reference"]


class Reference(BaseModel):
    """Another picture from which words take their look, colour or shape; it is noised anew at every level."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    image: str
    """The picture's file."""
    prompt: str
    """What it shows."""
    words: dict[str, str]
    """Phrase of the prompt: phrase of the reference from which it takes."""
    take: tuple[Literal["look", "colour", "shape"], ...] = ("look",)
    """What it takes: the look as the network's features have it, the mean colour, the shape."""
    weight: float = Field(default=1.0, ge=0, le=1e4)
    """How strongly."""

    def row(self, job: Job) -> SourceRow:
        """The picture as a row beside the run, encoded once per edit."""

        def encoded() -> Tensor:
            with torch.no_grad():
                return job.model.encode(other_picture(job, self.image))

        x0 = once(job.shared, f"reference/{self.image}", encoded)
        draw = job.noise.select(0, 1).normal((1, *job.shape[1:]), "reference", 0).to(x0.device)
        return SourceRow(job.embed(self.prompt), lambda ctx, i: ctx.noised(x0, draw, i))
