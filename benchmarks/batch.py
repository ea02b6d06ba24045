"""What a batch costs over the bare edits, and what a second worker brings: all three in turns, in one run."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._figures import keep_assumed, keep_table
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
        size = np.mean([path.stat().st_size for path in folder.glob("one/*.png")])
    over = f"{100 * (one / bare - 1):+.1f} %"
    files = "equal" if same else "DIFFERENT"
    rows = [
        ["a bare edit in a loop, saved", f"{1000 * bare:.1f} ms"],
        ["a request of a batch with one worker", f"{1000 * one:.1f} ms ({over})"],
        ["a request with two workers on two cores", f"{1000 * two:.1f} ms ({one / two:.2f} times as fast)"],
        ["files of one and of two workers", files],
    ]
    about = f"{count} edits of {STEPS} steps on the bundled model, 64 px, one thread a worker; all three in turns."
    report("batch-overhead", about, rows)
    processor, stored = ledger_alone()
    about = f"The ledger alone: {ROWS} requests claimed and recorded one by one, two transactions each."
    each = [["claiming and recording a request", f"{processor:.2f} ms of processor time"],
            ["the ledger's size", f"{stored:.0f} bytes a request"],
            *([f"a PNG of {side} px, a smooth picture with noise of 2 grey levels", f"{png(side):.2f} MB"]
              for side in (512, 1024))]  # fmt: skip
    report("ledger", about, each)
    measured = {"pictures": 1_000_000, "milliseconds_a_row": round(1000 * one / (2 * STEPS), 1), "rows": 2 * STEPS,
                "milliseconds_of_codec": 0, "busy": 1.0, "megabytes": round(size / 1e6, 4),
                "gpus": [1, 2, 16, 256]}  # fmt: skip
    keep_assumed("million-measured", MEASURED, measured)


MEASURED = (
    "By the formula above from the rows of the benchmark (bundled model, 64 px, one thread of a processor for each"
    " worker): {milliseconds_a_row} ms a row with all that is around it, {rows} rows."
)


def report(name: str, about: str, rows: list[list[str]]) -> None:
    """Print figures, and keep them for the pages."""
    print(about)
    for what, value in rows:
        print(f"  {what}: {value}")
    keep_table(name, about, ["what", "measured"], rows)


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


def ledger_alone() -> tuple[float, float]:
    """Milliseconds of processor time and bytes of a request in the ledger."""
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
    return 1000 * cpu, size


def png(side: int) -> float:
    """Megabytes of a picture as models make them."""
    ramp = np.linspace(40, 200, side)
    noise = np.random.default_rng(0).normal(0, 2, (side, side, 3))
    file = io.BytesIO()
    Image.fromarray((ramp[:, None, None] + noise).astype(np.uint8)).save(file, "PNG")
    return len(file.getvalue()) / 1e6


if __name__ == "__main__":
    main()
