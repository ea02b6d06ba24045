"""`training.json` beside bundled weights: how they were trained and what was measured of them.

It lies with the weights, not with the checkpoints, so that a card can be written again where the checkpoints are gone.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scumble.errors import CheckpointError, first_problem
from scumble.files import atomic_write

__all__ = ["Facts", "Measured", "TrainingRun", "read_facts", "write_facts"]

_NAME = "training.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingRun(_Frozen):
    """What one training used up."""

    name: str
    seed: int
    batch: int
    steps: int
    samples: int
    seconds: float
    figures: dict[str, float] = Field(default_factory=dict, description="on held-out scenes, when it ended")
    continues: bool = Field(False, description="began at the weights of the run before it in the list")


class Measured(_Frozen):
    """Figures of the published weights on unseen scenes."""

    count: int
    values: dict[str, float]


class Facts(_Frozen):
    """All that a card says of one bundled model."""

    size: str
    picture: int
    scenes: int
    held_out: int
    runs: tuple[TrainingRun, ...]
    measured: Measured | None = None
    remark: str = Field("", description="written by hand: what figures do not say")


def read_facts(folder: Path) -> Facts | None:
    """The facts of the model in `folder`; None if nobody wrote them down.

    Raises:
        CheckpointError: if the file is not what `write_facts` writes.
    """
    path = folder / _NAME
    if not path.exists():
        return None
    try:
        return Facts.model_validate_json(path.read_text())
    except ValidationError as error:
        raise CheckpointError(f"{path} cannot be read: {' '.join(first_problem(error))}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def write_facts(folder: Path, facts: Facts) -> None:
    """Replace the file at once."""
    with atomic_write(folder / _NAME) as unfinished:
        unfinished.write_text(json.dumps(facts.model_dump(exclude_defaults=True), indent=1) + "\n")
