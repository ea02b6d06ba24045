"""Makes one result and files it with what it took, or with why there is none."""

from __future__ import annotations

import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from scumble.errors import ScumbleError
from scumble.hashing import sha256
from scumble.images import save_image
from scumble.records.view import VIEW_0_1
from scumble_lab.bench.bench_editor import BenchEditor
from scumble_lab.bench.case import Sample
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.folder import Benchmark, write_json
from scumble_lab.bench.models_in_use import Workshop
from scumble_lab.bench.resume import has_guide, plain

__all__ = ["Done", "clear_unfinished", "one_result"]


@dataclass(frozen=True)
class Done:
    """One result: whose, of which case, in how many seconds, or why not."""

    editor: str
    case: str
    seconds: float
    error: str | None = None


def one_result(benchmark: Benchmark, workshop: Workshop, name: str, case: str, mark: dict[str, Any]) -> Done:
    """Make and file one result: the picture, then its record; or the record of why there is none."""
    target = benchmark.results / name / f"{case}.png"
    record: dict[str, Any] = {"mark": mark}
    if has_guide(EDITORS[name]):
        record["guide"] = workshop.guide
    started = time.perf_counter()
    error = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".json").unlink(missing_ok=True)
        clear_unfinished(target.parent, (case,))
        image, details = _made(EDITORS[name], benchmark.sample(case), workshop, int(mark["seed"]))
        record |= details
        save_image(image, target)
    except Exception as caught:
        error = f"{type(caught).__name__}: {(str(caught).splitlines() or [''])[0]}"
        record["error"] = error
        if not isinstance(caught, ScumbleError):
            last = traceback.extract_tb(caught.__traceback__)[-1]
            record["where"] = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
        target.unlink(missing_ok=True)
    seconds = time.perf_counter() - started
    write_json(target.with_suffix(".json"), record | {"seconds": round(seconds, 3)})
    return Done(name, case, seconds, error)


def clear_unfinished(folder: Path, cases: Collection[str]) -> None:
    """Remove what processes that ended while they wrote results of these cases have left in an editor's folder."""
    for left in folder.glob(".*.tmp"):
        if left.name[1:].rsplit(".", 3)[0] in cases:
            left.unlink(missing_ok=True)


def _made(editor: BenchEditor, sample: Sample, workshop: Workshop, seed: int) -> tuple[Image.Image, dict[str, Any]]:
    """Return an editor's picture of a case, and its settings, cost and remarks."""
    if editor.trivial is not None:
        return editor.trivial(sample, _own_seed(sample, seed)), {}
    method = editor.build(sample)
    result = workshop.editor_for(editor).edit(sample.source, method, seed=seed, view=VIEW_0_1)
    image = result.image if editor.finish is None else editor.finish(result.image, sample)
    record = {
        "method": method.method_name(),
        "parameters": method.model_dump(mode="json"),
        "cost": result.cost.as_dict(),
        "notices": result.notices,
        "report": result.reports[0] if result.reports else {},
    }
    return image, plain(record)


def _own_seed(sample: Sample, seed: int) -> int:
    return int(sha256(f"{seed}/{sample.case.id}")[:8], 16)
