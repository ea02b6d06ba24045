"""What a batch costs over the bare edits, and what a second worker brings: all three in turns, in one run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._figures import note
from scumble.work.batch import Batch, Finished
from scumble.work.ledger import Entry, Ledger
from scumble.work.outcome import Outcome, OutputFile

COUNT = 100
STEPS = 6
TURNS = 4
ROWS = 2000

BARE = """
import json, sys, time, torch
from pathlib import Path
from scumble import Editor, SDEdit
torch.set_num_threads(1)
folder = Path(sys.argv[1])
lines = [json.loads(line) for line in (folder / "list.jsonl").read_text().splitlines()]
(folder / "bare").mkdir()
editor = Editor.from_pretrained()
def edit(line):
    fields = {k: v for k, v in line.items() if k not in ("id", "image", "method", "seed")}
    editor.edit(folder / line["image"], SDEdit(**fields), seed=line["seed"]).save(folder / "bare" / f"{line['id']}.png")
edit(lines.pop(0))
print(flush=True)
for count in map(int, sys.stdin):
    started = time.perf_counter()
    for _ in range(count):
        edit(lines.pop(0))
    print(time.perf_counter() - started, flush=True)
"""


def main() -> None:
    count = int(next((word for word in sys.argv[1:] if word.isdigit()), COUNT))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_list(folder, count)
        bare, one, two = in_turns(folder, count)
        same = all(path.read_bytes() == (folder / "two" / path.name).read_bytes() for path in folder.glob("one/*.png"))
    over = 100 * (one / bare - 1)
    print(f"{count} edits of {STEPS} steps on the bundled model, each: bare {1000 * bare:.1f} ms, with one worker"
          f" {1000 * one:.1f} ms ({over:+.1f} %)")  # fmt: skip
    print(f"two workers on this machine's processors: {one / two:.2f} times as fast as one")
    print(f"files of one and of two workers: {'equal' if same else 'DIFFERENT'}")
    ledger = ledger_alone()
    note("batch", count=count, steps=STEPS, bare_ms=1000 * bare, one_ms=1000 * one, two_ms=1000 * two, **ledger)


def write_list(folder: Path, count: int, steps: int = STEPS) -> None:
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "in.png")
    lines = [{"id": f"r{k:03d}", "image": "in.png", "method": "sdedit", "strength": 1.0, "num_inference_steps": steps,
              "prompt": f"a large red cube on sand by day, {k}", "seed": k} for k in range(count)]  # fmt: skip
    (folder / "list.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


def in_turns(folder: Path, count: int) -> tuple[float, float, float]:
    """Seconds a request of a bare loop, of a batch with one worker and of one with two.

    They take turns, so that a machine that is slower for a while is slower for all. A batch whose results nobody
    fetches makes one more for each worker and waits: the clock starts when these are fetched.
    """
    times: dict[str, list[float]] = {"bare": [], "one": [], "two": []}
    bare = subprocess.Popen(
        [sys.executable, "-c", BARE, str(folder)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert bare.stdin is not None and bare.stdout is not None
    bare.stdout.readline()
    with (
        Batch(folder / "list.jsonl", folder / "one", workers=1) as a,
        Batch(folder / "list.jsonl", folder / "two", workers=2) as b,
    ):
        results = {"one": (iter(a), 1), "two": (iter(b), 2)}
        for stream, workers in results.values():
            fetch(stream, workers)
        number = (count - 2) // TURNS - 2
        for _ in range(TURNS):
            bare.stdin.write(f"{number}\n")
            bare.stdin.flush()
            times["bare"].append(float(bare.stdout.readline()) / number)
            for name, (stream, workers) in results.items():
                fetch(stream, workers)
                started = time.perf_counter()
                fetch(stream, number)
                times[name].append((time.perf_counter() - started) / number)
        for stream, _ in results.values():
            assert all(one.state == "done" for one in stream)
    bare.stdin.close()
    bare.wait()
    return tuple(float(np.mean(values)) for values in times.values())  # type: ignore[return-value]


def fetch(stream: Iterator[Finished], count: int) -> None:
    for _ in range(count):
        result = next(stream)
        assert result.state == "done", result.error


def ledger_alone() -> dict[str, float]:
    """Requests a second of the ledger: claimed, recorded with an output, two transactions each."""
    with tempfile.TemporaryDirectory() as place, Ledger.open(place, "a benchmark") as ledger:
        body = {"method": "sdedit", "parameters": {"strength": 0.5, "prompt": "a large red cube"}, "seed": 1}
        ledger.add([Entry(f"r{k}", f"{k:064x}", body, f"r{k}.png") for k in range(ROWS)])
        worker = ledger.begin_worker("w", "cpu", {})
        cpu = time.process_time()
        while (claim := ledger.claim(worker)) is not None:
            file = OutputFile(claim.output, "ab" * 32, 1, 1, "cd" * 32)
            ledger.record([Outcome(claim.number, "done", remark="made", files=(file,), key="ef" * 32)])
        cpu = (time.process_time() - cpu) / ROWS
        size = (Path(place) / ".scumble" / "ledger.sqlite").stat().st_size / ROWS
    print(f"the ledger alone: {1000 * cpu:.2f} ms of processor time a request, {size:.0f} bytes")
    return {"ledger_ms": 1000 * cpu, "ledger_bytes": size}


if __name__ == "__main__":
    main()
