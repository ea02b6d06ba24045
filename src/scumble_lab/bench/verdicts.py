"""Verdicts on claims, as they are filed beside a benchmark's results and shown in its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from scumble_lab.bench.folder import write_json

__all__ = ["Curves", "Verdict", "Word", "read_verdicts", "save_verdict"]

Word = Literal["holds", "does not hold", "undecided", "cannot be checked here"]
"""Undecided: it was measured, and the interval leaves room for both. Cannot be checked: it was not measured."""


class Curves(BaseModel):
    """Named curves (x, y) with what the axes are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    x: str
    y: str
    curves: dict[str, tuple[list[float], list[float]]]


class Verdict(BaseModel):
    """A finding with its claim, as it is filed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    statement: str
    paper: str
    verdict: Word
    reason: str
    figures: dict[str, float | None] = {}
    plot: Curves | None = None
    count: int = 0
    weights: str = ""


def save_verdict(folder: Path, verdict: Verdict) -> None:
    """File a verdict under `claims` in a benchmark's folder."""
    write_json(folder / "claims" / f"{verdict.name}.json", verdict.model_dump(mode="json"))


def read_verdicts(folder: Path) -> list[Verdict]:
    """All verdicts that are filed, by name; files that are none are left out."""
    verdicts = []
    for path in sorted((folder / "claims").glob("*.json")):
        try:
            verdicts.append(Verdict.model_validate(json.loads(path.read_text())))
        except (OSError, ValueError, ValidationError):
            continue
    return verdicts
