"""Runs editors over cases: what is done stays done, a failing case is recorded, the rest goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from scumble.errors import CheckpointError
from scumble_lab.bench.bench_editor import BenchEditor
from scumble_lab.bench.folder import Benchmark, write_json
from scumble_lab.bench.make_result import Done, one_result
from scumble_lab.bench.models_in_use import Workshop, machine
from scumble_lab.bench.pool import in_processes
from scumble_lab.bench.resume import stays
from scumble_lab.bench.timing import RunNote

__all__ = ["Done", "Tally", "Workshop", "run"]


@dataclass
class Tally:
    """What a run did: how many were there already, were made, failed; what was left out, one line each."""

    kept: int = 0
    made: int = 0
    failed: list[Done] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: float = 0.0


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
    on_notice: Callable[[str], None] | None = None,
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
        on_notice: Told who is left out, before anything is made.

    Raises:
        ScumbleError: if a process was killed; what was made is kept.
    """
    tally, note = Tally(), RunNote(benchmark, jobs)
    usable = _usable(benchmark, editors, workshop, tally.notices)
    if on_notice is not None:
        for notice in tally.notices:
            on_notice(notice)
    due = []
    sample = lru_cache(maxsize=1)(benchmark.sample)
    for editor, weights, case in _in_turn(benchmark, usable, count):
        mark = {"editor": editor.name, "weights": weights, "seed": seed}
        path = benchmark.results / editor.name / f"{case}.json"
        if not again and stays(path, mark, editor, workshop, partial(sample, case)):
            tally.kept += 1
        else:
            due.append((editor.name, case, mark))
    if not due:
        return tally
    _file_about(benchmark, machine(workshop, jobs) | {"seed": seed}, {(name, case) for name, case, _ in due})
    note.write()
    try:
        with contextlib.closing(_work(benchmark, workshop, due, jobs)) as working:
            for done in working:
                tally.made += done.error is None
                if done.error is not None:
                    tally.failed.append(done)
                note.count(done.error is not None)
                if on_result is not None:
                    on_result(done, tally.made + len(tally.failed), len(due))
    finally:
        note.write()
        tally.seconds = note.seconds
    return tally


def _usable(
    benchmark: Benchmark, editors: Sequence[BenchEditor], workshop: Workshop, notices: list[str]
) -> list[tuple[BenchEditor, str]]:
    """The editors whose model is there, each with the hash of its weights; who is left out, and where, is told."""
    bare = sum(not benchmark.has_truth(case) for case in benchmark.cases)
    usable = []
    for editor in editors:
        if editor.needs_truth and bare:
            cases = "no case has" if bare == len(benchmark.cases) else f"{bare} cases do not have"
            notices.append(f"{editor.name} returns the true result, which {cases}: left out there")
        try:
            usable.append((editor, workshop.weights(editor)))
        except CheckpointError as error:
            notices.append(f"{editor.name} was left out: {error}")
    return usable


def _work(
    benchmark: Benchmark, workshop: Workshop, due: Sequence[tuple[str, str, dict[str, Any]]], jobs: int
) -> Generator[Done, None, None]:
    if jobs > 1 and len(due) > 1:
        yield from in_processes(benchmark, workshop, due, jobs)
    else:
        yield from (one_result(benchmark, workshop, *entry) for entry in due)


def _file_about(benchmark: Benchmark, about: dict[str, Any], due: Collection[tuple[str, str]]) -> None:
    """File what a run was made with; models and commits of earlier runs stay named while any result is kept."""
    path = benchmark.results / "run.json"
    others_remain = any((file.parent.name, file.stem) not in due for file in benchmark.results.glob("*/*.json"))
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        old = json.loads(path.read_text())
        about["models"] = old["models"] | about["models"]
        commits = [*old.get("commits", []), *([old["commit"]] if old.get("commit") else [])]
        about["commits"] = [c for c in dict.fromkeys(commits) if c != about["commit"]] if others_remain else []
    write_json(path, about)


def _in_turn(
    benchmark: Benchmark, editors: Sequence[tuple[BenchEditor, str]], count: int | None
) -> Iterator[tuple[BenchEditor, str, str]]:
    """The first case of every task for every editor, then the second: a run that is broken off is a small one."""
    by_task = {task: [case for case in benchmark.cases if case.task == task][:count] for task in benchmark.tasks}
    for number in range(max(map(len, by_task.values()), default=0)):
        for cases in by_task.values():
            for editor, weights in editors:
                case = cases[number] if number < len(cases) else None
                if case and editor.takes(case) and (benchmark.has_truth(case) or not editor.needs_truth):
                    yield editor, weights, case.id
