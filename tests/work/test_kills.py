"""Nothing is lost, made twice or half-written, whoever is killed and whenever. The kills are real."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from benchmarks._figures import keep_table

from scumble.work.ledger import Ledger
from tests.work.drive import BROKEN
from tests.work.toys import busy, content

COUNT = 40
PATIENCE = 60.0
ROOT = Path(__file__).parents[2]


class Run:
    """One start of the batch."""

    def __init__(self, folder: Path, count: int = COUNT, fault: str = "") -> None:
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT), *sys.path])
        environment = {**os.environ, "PYTHONPATH": paths, "SCUMBLE_FAULT": fault}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.work.drive", str(folder), str(count), "2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment,
        )  # fmt: skip
        self.workers: list[int] = []

    def lines(self) -> Iterator[list[str]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            words = line.split()
            if words and words[0] == "ready":
                self.workers.append(int(words[1]))
            yield words

    def end(self) -> int:
        _, errors = self.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in errors, errors
        return self.process.returncode


def kill(run: Run, whom: str, chance: random.Random) -> bool:
    """Kill the worker, the driver, or both; whether there was anybody to kill."""
    if run.process.poll() is not None or not run.workers:
        return False
    if whom == "both":
        os.killpg(run.process.pid, signal.SIGKILL)
    elif whom == "driver":
        run.process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(run.workers[-2:]), signal.SIGKILL)
    return True


def results(folder: Path) -> dict[str, tuple[int, int]]:
    """Each result's inode and time: one that is made again has others."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("r*.bin")}


def check_same(before: Mapping[str, tuple[int, int]], folder: Path) -> dict[str, tuple[int, int]]:
    """No result that was there is gone or was made again."""
    now = results(folder)
    assert {name: now.get(name) for name in before} == before
    return now


def check_whole(folder: Path, count: int = COUNT) -> None:
    expected = {f"r{k:02d}.bin": content(k) for k in range(count) if k != BROKEN}
    assert {path.name: path.read_bytes() for path in folder.glob("r*.bin")} == expected
    assert not list(folder.glob(".*.tmp*")), "something half-written is left"
    with Ledger.read(folder) as ledger:
        assert ledger.base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        states = {row.id: row.state for row in ledger.rows()}
        assert states == {f"r{k:02d}": "failed" if k == BROKEN else "done" for k in range(count)}
        for row in ledger.rows("done"):
            assert [one.path for one in row.files] == [row.output]
            endings = [one["outcome"] for one in ledger.attempts(row.number)]
            assert endings.count("done") == 1 and endings[-1] == "done" and len(endings) == row.attempts


def killed_at_random(folder: Path, kills: int, seed: int) -> tuple[dict[str, int], int]:
    """Kill so many times, each followed by a resume; return whom, and how many batches it took."""
    chance, tally, batches = random.Random(seed), {"worker": 0, "driver": 0, "both": 0}, 0
    while sum(tally.values()) < kills:
        batch = folder / f"b{batches}"
        batch.mkdir()
        batches, before, wanted = batches + 1, dict[str, tuple[int, int]](), 3
        while True:
            run, moment, whom = Run(batch), chance.randint(3, 50), chance.choice(list(tally))
            for number, _ in enumerate(run.lines()):
                if wanted and number == moment:
                    busy(chance.random() * 0.02)
                    if kill(run, whom, chance):
                        tally[whom], wanted = tally[whom] + 1, wanted - 1
            code = run.end()
            before = check_same(before, batch)
            if code == 0:
                break
        check_whole(batch)
    return tally, batches


def test_twenty_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    tally, _ = killed_at_random(tmp_path, 20, seed=1)
    assert min(tally.values()) > 0


@pytest.mark.faults
def test_fifty_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    tally, batches = killed_at_random(tmp_path, 50, seed=2)
    about = (
        f"Kills at random moments, each followed by a resume: {tally['worker']} of a worker, {tally['driver']} of the"
        f" driver, {tally['both']} of both, over {batches} batches of {COUNT}."
    )
    print(f"\n{about}")
    # More than none of these would have failed above, in the batch in which it came.
    rows = [[what, "0"] for what in ("lost", "done twice", "half-written")]
    keep_table("batch-kills", about, ["requests", f"of {batches * COUNT}"], rows, command="make faults")


@pytest.mark.parametrize("point", ["claimed", "half-written", "written", "told", "renamed", "recorded"])
def test_a_kill_at_this_very_point_loses_nothing_and_repeats_nothing(tmp_path: Path, point: str) -> None:
    count = 12
    run = Run(tmp_path, count, fault=f"{point}:3")
    for _ in run.lines():
        pass
    code = run.end()
    assert (code == -signal.SIGKILL) is (point in ("claimed", "told", "renamed", "recorded"))
    before = results(tmp_path)
    if point == "renamed":
        with Ledger.read(tmp_path) as ledger:
            assert len(before) == len(ledger.rows("done")) + 1
    again = Run(tmp_path, count)
    for _ in again.lines():
        pass
    assert again.end() == 0
    check_same(before, tmp_path)
    check_whole(tmp_path, count)
