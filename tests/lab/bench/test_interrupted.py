"""A run that is broken off or killed loses nothing that was made, leaves nothing half-made, and is gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from scumble.cli import INTERRUPTED
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.folder import Benchmark, make, open_folder, write_json
from scumble_lab.bench.run import Workshop, run
from scumble_lab.bench.timing import spent

METHODS = ("identity", "noise")
CASES = 150
SIZE = 128
PATIENCE = 120.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The pictures of a run that nobody disturbed."""
    benchmark = cases(tmp_path_factory.mktemp("whole") / "b")
    run(benchmark, [EDITORS[name] for name in METHODS], Workshop())
    return pictures(benchmark)


def cases(folder: Path) -> Benchmark:
    """One case under many names: enough work to be stopped in the middle of it, none of it in drawing scenes."""
    one = make(folder, ("floor",), 1, size=SIZE).cases[0]
    names = [f"floor-{number:03d}" for number in range(CASES)]
    for name in names[1:]:
        shutil.copytree(folder / "cases" / one.id, folder / "cases" / name)
        write_json(folder / "cases" / name / "case.json", one.model_dump(mode="json", exclude_none=True) | {"id": name})
    index = json.loads((folder / "benchmark.json").read_text())
    write_json(folder / "benchmark.json", index | {"cases": names})
    return open_folder(folder)


def pictures(benchmark: Benchmark) -> dict[str, bytes]:
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in sorted(benchmark.results.glob("*/*.png"))}


def begin(folder: Path, jobs: int) -> subprocess.Popen[str]:
    """A real `scumble bench run` as a terminal begins it: in a group of its own, so that Ctrl-C reaches all of it."""
    words = ["bench", "run", str(folder), "--methods", ",".join(METHODS), "--jobs", str(jobs)]
    # What runs the tests may have been started in the background, where Ctrl-C is ignored, which is handed down.
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    return subprocess.Popen(
        [sys.executable, "-c", f"{hears}; from scumble.cli import main; main({words})"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def stopped(process: subprocess.Popen[str], benchmark: Benchmark, how: signal.Signals) -> str:
    """Send the signal when more results are there than before; return what was printed."""
    there = benchmark.results / "noise"
    until, before = time.monotonic() + PATIENCE, len(list(there.glob("*.json")))
    while len(list(there.glob("*.json"))) <= before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "the run makes nothing"
        time.sleep(0.01)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    said = process.communicate(timeout=PATIENCE)[1]  # ends only when its helpers have closed the pipes too
    assert process.returncode == (INTERRUPTED if how == signal.SIGINT else -how)
    return said


def check_whole(benchmark: Benchmark, expected: dict[str, bytes]) -> int:
    """How many results are there; each that has a record is just the one of an undisturbed run."""
    found = pictures(benchmark)
    for name, content in found.items():
        Image.open(benchmark.results / name).load()
        assert content == expected[name]
    records = list(benchmark.results.glob("*/*.json"))
    assert all(json.loads(path.read_text())["mark"]["editor"] == path.parent.name for path in records)
    assert {path.stem for path in records} <= {Path(name).stem for name in found}
    return len(found)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_is_stopped_in_the_middle_is_gone_on_with(
    jobs: int, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    benchmark = cases(tmp_path / "b")
    said = stopped(begin(benchmark.folder, jobs), benchmark, signal.SIGINT)
    first = check_whole(benchmark, whole)
    assert 0 < first < len(whole)
    last = said.strip().splitlines()[-1]
    assert last.startswith("scumble: interrupted; what was made is kept") and "Traceback" not in said
    assert not list(benchmark.results.glob("**/.*")), "something half-written is left"

    stopped(begin(benchmark.folder, jobs), benchmark, signal.SIGKILL)
    second = check_whole(benchmark, whole)
    assert first < second < len(whole)

    tally = run(benchmark, [EDITORS[name] for name in METHODS], Workshop())
    assert tally.kept >= second - jobs  # a picture may have been killed just before its record
    assert tally.made == len(whole) - tally.kept
    assert pictures(benchmark) == whole
    assert not list(benchmark.results.glob("**/.*"))
    told = spent(benchmark)
    assert (told.runs, told.results, told.wall > 0) == (3, len(whole), True)
