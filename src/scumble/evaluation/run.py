"""Runs editors over cases: what is done stays done, a failing case is recorded, the rest goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from scumble.editor import Editor
from scumble.errors import CheckpointError, ScumbleError
from scumble.evaluation.case import Sample
from scumble.evaluation.editors import EDITORS, BenchEditor
from scumble.evaluation.folder import Benchmark, write_json
from scumble.evaluation.readers import open_benchmark
from scumble.images import save_image
from scumble.methods.registry import method_class
from scumble.models.clip import BUNDLED_CLIPS
from scumble.recipe import versions

__all__ = ["Done", "Tally", "Workshop", "machine", "run"]

PIXEL_MODEL = "still-life-pixel"


@dataclass(frozen=True)
class Done:
    """One result: whose, of which case, in how many seconds, or why not."""

    editor: str
    case: str
    seconds: float
    error: str | None = None


@dataclass
class Tally:
    """What a run did: how many were there already, were made, failed; what was left out, one line each."""

    kept: int = 0
    made: int = 0
    failed: list[Done] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class Workshop:
    """The models of a run, loaded when they are first needed."""

    def __init__(self, model: str | None = None, pixel_model: str | None = None, device: str | None = None) -> None:
        self.names = {False: model, True: pixel_model or PIXEL_MODEL}
        self.device = device
        self._editors: dict[bool, Editor] = {}

    def editor(self, pixels: bool) -> Editor:
        """The editor on the latent or the pixel model."""
        if pixels not in self._editors:
            self._editors[pixels] = Editor.from_pretrained(self.names[pixels], device=self.device)
        return self._editors[pixels]

    def weights(self, editor: BenchEditor) -> str:
        """Hash of the model's weights that an editor's results depend on."""
        return "" if editor.method is None else self.editor(editor.pixels).model.weights_hash[:16]

    @cached_property
    def guide(self) -> str:
        """Hash of the CLIP that guides and ranks unless another is named; empty where there is none."""
        path = files("scumble") / "bundled" / BUNDLED_CLIPS[0] / "model.safetensors"
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""


def run(
    benchmark: Benchmark,
    editors: Sequence[BenchEditor],
    workshop: Workshop,
    *,
    seed: int = 0,
    jobs: int = 1,
    count: int | None = None,
    again: bool = False,
    on_result: Callable[[Done, int, int], None] | None = None,
) -> Tally:
    """Make all results that are not there yet with these settings and weights.

    Args:
        benchmark: The cases; results are filed under its `results`.
        editors: Who edits.
        workshop: The models.
        seed: Seed of every edit.
        jobs: Processes; the cores are shared out among them.
        count: Only so many cases of each task.
        again: Make them all anew, for example after a method has changed.
        on_result: Called after each result with it, how many are done, and of how many.

    Raises:
        ScumbleError: if a process was killed; what was made is kept.
    """
    tally = Tally()
    usable = []
    for editor in editors:
        try:
            usable.append((editor, workshop.weights(editor)))
        except CheckpointError as error:
            tally.notices.append(f"{editor.name} was left out: {error}")
    due = []
    sample = lru_cache(maxsize=1)(benchmark.sample)
    for editor, weights, case in _in_turn(benchmark, usable, count):
        mark = {"editor": editor.name, "weights": weights, "seed": seed}
        record = {} if again else _record(benchmark.results / editor.name / f"{case}.json", mark)
        if record and _guided_alike(record, editor, workshop) and _set_alike(record, editor, sample, case):
            tally.kept += 1
        else:
            due.append((editor.name, case, mark))
    if due:
        _file_about(benchmark, machine(workshop, jobs) | {"seed": seed}, tally.kept)
    for done in _work(benchmark, workshop, due, jobs):
        tally.made += done.error is None
        if done.error is not None:
            tally.failed.append(done)
        if on_result is not None:
            on_result(done, tally.made + len(tally.failed), len(due))
    return tally


def _file_about(benchmark: Benchmark, about: dict[str, Any], kept: int) -> None:
    """File what a run was made with; models and commits of earlier runs whose results are kept stay named."""
    path = benchmark.results / "run.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        old = json.loads(path.read_text())
        about["models"] = old["models"] | about["models"]
        commits = [*old.get("commits", []), *([old["commit"]] if old.get("commit") else [])]
        about["commits"] = [c for c in dict.fromkeys(commits) if c != about["commit"]] if kept else []
    write_json(path, about)


def _in_turn(
    benchmark: Benchmark, editors: Sequence[tuple[BenchEditor, str]], count: int | None
) -> Iterator[tuple[BenchEditor, str, str]]:
    """The first case of every task for every editor, then the second: a run that is broken off is a small one."""
    by_task = {task: [case for case in benchmark.cases if case.task == task][:count] for task in benchmark.tasks}
    for number in range(max(map(len, by_task.values()), default=0)):
        for cases in by_task.values():
            for editor, weights in editors:
                if number < len(cases) and editor.takes(cases[number]):
                    yield editor, weights, cases[number].id


def _record(path: Path, mark: dict[str, Any]) -> dict[str, Any]:
    """What was filed with a result, if there is one without an error under the same mark; else nothing."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    same = isinstance(record, dict) and record.get("error") is None and record.get("mark") == mark
    return record if same and path.with_suffix(".png").is_file() else {}


def _guided_alike(record: dict[str, Any], editor: BenchEditor, workshop: Workshop) -> bool:
    """Whether the CLIP that guided is still the same; records that name none were filed before it was noted."""
    filed = record.get("guide")
    return filed is None or not _has_guide(editor) or filed == workshop.guide


def _has_guide(editor: BenchEditor) -> bool:
    method: Any = None if editor.method is None else method_class(editor.method)
    return method is not None and "clip" in method.model_fields


def _set_alike(record: dict[str, Any], editor: BenchEditor, sample: Callable[[str], Sample], case: str) -> bool:
    """Whether the settings that a result was made with are still the editor's; ones that came since are at rest."""
    if editor.method is None:
        return True
    filed = record.get("parameters")
    if not isinstance(filed, dict):
        return False
    try:
        method = editor.build(sample(case))
    except Exception:  # what cannot be built will fail, and be recorded, when it is made
        return False
    now = _plain(method.model_dump(mode="json"))
    since = _plain(method.model_dump(mode="json", exclude_defaults=True)).keys() - filed.keys()
    return not since and all(key in now and now[key] == value for key, value in filed.items())


def _plain(data: Any) -> Any:
    """What JSON gives back of it."""
    return json.loads(json.dumps(data, default=str))


def _work(
    benchmark: Benchmark, workshop: Workshop, due: Sequence[tuple[str, str, dict[str, Any]]], jobs: int
) -> Iterator[Done]:
    if jobs <= 1 or len(due) <= 1:
        yield from (one_result(benchmark, workshop, *entry) for entry in due)
        return
    given = (benchmark.folder, workshop.names[False], workshop.names[True], workshop.device, jobs)
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _set_up, given)
    try:
        waiting = [pool.submit(_one, *entry) for entry in due]
        for future in as_completed(waiting):
            yield future.result()
    except BrokenProcessPool as error:
        raise ScumbleError(
            "a process of the run was killed, most likely for memory: what was made is kept; run again, fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_BENCH: list[tuple[Benchmark, Workshop]] = []
"""What a process of the pool works with; a pool offers no other place."""


def _set_up(folder: Path, model: str | None, pixel_model: str | None, device: str | None, jobs: int) -> None:
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    _BENCH.append((open_benchmark(folder), Workshop(model, pixel_model, device)))


def _one(editor: str, case: str, mark: dict[str, Any]) -> Done:
    return one_result(*_BENCH[0], editor, case, mark)


def one_result(benchmark: Benchmark, workshop: Workshop, name: str, case: str, mark: dict[str, Any]) -> Done:
    """Make and file one result: the picture, then its record; or the record of why there is none."""
    target = benchmark.results / name / f"{case}.png"
    record: dict[str, Any] = {"mark": mark}
    if _has_guide(EDITORS[name]):
        record["guide"] = workshop.guide
    started = time.perf_counter()
    error = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".json").unlink(missing_ok=True)
        image, told = make_result(EDITORS[name], benchmark.sample(case), workshop, int(mark["seed"]))
        record |= told
        save_image(image, target)
    except Exception as caught:
        error = f"{type(caught).__name__}: {(str(caught).splitlines() or [''])[0]}"
        record["error"] = error
        if not isinstance(caught, ScumbleError):
            last = traceback.extract_tb(caught.__traceback__)[-1]
            record["where"] = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
        target.unlink(missing_ok=True)
    write_json(target.with_suffix(".json"), record)
    return Done(name, case, time.perf_counter() - started, error)


def make_result(
    editor: BenchEditor, sample: Sample, workshop: Workshop, seed: int
) -> tuple[Image.Image, dict[str, Any]]:
    """Return an editor's picture of a case, and its settings, cost and remarks."""
    if editor.trivial is not None:
        return editor.trivial(sample, _own_seed(sample, seed)), {}
    method = editor.build(sample)
    result = workshop.editor(editor.pixels).edit(sample.source, method, seed=seed)
    image = result.image if editor.finish is None else editor.finish(result.image, sample)
    told = {
        "method": method.method_name(),
        "parameters": method.model_dump(mode="json"),
        "cost": result.cost.as_dict(),
        "notices": result.notices,
        "report": result.reports[0] if result.reports else {},
    }
    return image, _plain(told)


def _own_seed(sample: Sample, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{sample.case.id}".encode()).digest()[:4], "big")


def machine(workshop: Workshop, jobs: int) -> dict[str, Any]:
    """On what and with what a run was made: machine, versions, commit, models."""
    models = {}
    for pixels, editor in workshop._editors.items():
        models["pixel" if pixels else "latent"] = {
            "name": editor.model.name,
            "sha256": editor.model.weights_hash[:16],
            "device": str(editor.model.device),
        }
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "jobs": jobs,
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions(),
        "models": models,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of the checkout that this package lies in, with a mark if files differ from it; or nothing."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True).stdout

    try:
        changed = "+" if git("status", "--porcelain", "src").strip() else ""
        return git("rev-parse", "--short", "HEAD").strip() + changed
    except (OSError, subprocess.CalledProcessError):
        return ""
