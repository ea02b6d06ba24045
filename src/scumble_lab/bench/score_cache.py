"""Scores that stay: a result that was scored by the same judges and the same metrics is not scored again.

scores/<case>.json          by editor: what the scores depend on, as a hash, and the figures
"""

from __future__ import annotations

import contextlib
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scumble.errors import InputError
from scumble.hashing import files_sha256, sha256
from scumble_lab.bench.case import Sample
from scumble_lab.bench.folder import write_json

__all__ = ["ScoreFile", "sample_print"]

_CODE = (
    "case.py", "score.py", "attributes.py", "classifier.py", "judges.py", "dift.py", "dragbench.py", "metrics/*.py",
    "../world/captions.py",
    "../../scumble/energies/vit.py", "../../scumble/models/clip.py", "../../scumble/models/vision.py",
)  # fmt: skip
"""All that figures are made by."""


class ScoreFile:
    """The scores of one case, read once and written back when there are new ones.

    Args:
        folder: The benchmark's folder.
        case: Name of the case.
        base: Hash of what all of its scores depend on: the case, the judges, the switches.
    """

    def __init__(self, folder: Path, case: str, base: str) -> None:
        self.path, self.base = folder / "scores" / f"{case}.json", base
        try:
            record = json.loads(self.path.read_text())
        except (OSError, ValueError):
            record = {}
        self._kept: dict[str, Any] = record if isinstance(record, dict) else {}
        self._changed = False

    def get(self, editor: str, picture: bytes) -> dict[str, float] | None:
        """The figures of an editor's picture, or None where they are not there or of something else."""
        entry = self._kept.get(editor)
        if not isinstance(entry, dict) or entry.get("of") != self._key(picture):
            return None
        return {name: math.nan if value is None else float(value) for name, value in entry["figures"].items()}

    def put(self, editor: str, picture: bytes, figures: dict[str, float]) -> None:
        """Keep the figures of an editor's picture."""
        finite = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        self._kept[editor] = {"of": self._key(picture), "figures": finite}
        self._changed = True

    def save(self) -> None:
        """Write what is new; a folder that cannot be written to costs time, not the report."""
        if self._changed:
            with contextlib.suppress(OSError, InputError):
                write_json(self.path, self._kept)

    def _key(self, picture: bytes) -> str:
        return sha256(self.base, _code(), picture)[:24]


def sample_print(sample: Sample) -> str:
    """Hash of a case with its pictures."""
    parts: list[str | bytes] = [sample.case.model_dump_json()]
    for given in (sample.source, sample.target, sample.change, sample.region):
        array = np.zeros(0) if given is None else np.ascontiguousarray(np.asarray(given))
        parts += [repr((array.shape, array.dtype.str)), array.tobytes()]
    return sha256(*parts)


@cache
def _code() -> str:
    """Hash of the metrics' own source: after a change of it everything is scored anew."""
    here = Path(__file__).parent
    return files_sha256([path for pattern in _CODE for path in here.glob(pattern)])
