"""What a batch costs over the bare edits, what a second worker brings, and what several at once would bring."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from scumble.work.batch import Batch
from scumble.work.ledger import Entry, Ledger
from scumble.work.outcome import Outcome, OutputFile

COUNT = 100
STEPS = 10
GROUPS = (2, 4, 8)
ROWS = 2000


def main() -> None:
    count = int(next((word for word in sys.argv[1:] if word.isdigit()), COUNT))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_list(folder, count)
        bare, one, two = bare_loop(folder), batch(folder, "one", 1), batch(folder, "two", 2)
        print(f"{count} edits of {STEPS} steps on the bundled model: bare loop {bare['wall']:.1f} s, a worker"
              f" {one['wall']:.1f} s ({100 * (one['wall'] / bare['wall'] - 1):+.1f} %)")  # fmt: skip
        print(f"processor time, with import and loading: {bare['cpu']:.1f} s, {one['cpu']:.1f} s"
              f" ({100 * (one['cpu'] / bare['cpu'] - 1):+.1f} %), the driver {one['driver']:.2f} s")  # fmt: skip
        print(f"beside the edit a request takes {1000 * one['gap']:.1f} ms")
        print(f"two workers against one: {one['wall'] / two['wall']:.2f} times as fast")
        same = all(a.read_bytes() == (folder / "two" / a.name).read_bytes() for a in (folder / "one").glob("*.png"))
        print(f"files of one and of two workers: {'equal' if same else 'DIFFERENT'}")
    ledger_alone()
    grouping()


def write_list(folder: Path, count: int) -> None:
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "in.png")
    lines = [{"id": f"r{k:03d}", "image": "in.png", "method": "sdedit", "strength": 1.0, "num_inference_steps": STEPS,
              "prompt": f"a large red cube on sand by day, {k}", "seed": k} for k in range(count)]  # fmt: skip
    (folder / "list.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


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
edit(lines[0])
started = time.perf_counter()
for line in lines[1:]:
    edit(line)
print((time.perf_counter() - started) * len(lines) / (len(lines) - 1))
"""


def spent(who: int) -> float:
    """Seconds of processor time so far, of this process or of its children that have ended."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def bare_loop(folder: Path) -> dict[str, float]:
    """Seconds of the edits alone, in a process of their own, after loading and a first one."""
    before = spent(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", BARE, str(folder)], capture_output=True, text=True, check=True)
    return {"wall": float(done.stdout), "cpu": spent(resource.RUSAGE_CHILDREN) - before}


def batch(folder: Path, name: str, workers: int) -> dict[str, float]:
    """Seconds from the first result to the last, scaled to all; what of it was not in an edit; processor time."""
    times, seconds = list[float](), list[float]()
    children, driver = spent(resource.RUSAGE_CHILDREN), spent(resource.RUSAGE_SELF)
    with Batch(folder / "list.jsonl", folder / name, workers=workers) as results:
        for one in results:
            assert one.state == "done", one.error
            times.append(time.perf_counter())
            seconds.append(float(one.cost["seconds"]))
    span = times[-1] - times[workers - 1]
    driver = spent(resource.RUSAGE_SELF) - driver
    return {
        "wall": span * len(times) / (len(times) - workers),
        "gap": (span * workers - sum(seconds[workers:])) / (len(times) - workers),
        "cpu": spent(resource.RUSAGE_CHILDREN) - children + driver,
        "driver": driver,
    }


def ledger_alone() -> None:
    """Requests a second of the ledger: claimed, recorded with an output, two transactions each."""
    with tempfile.TemporaryDirectory() as place, Ledger.open(place, "a benchmark") as ledger:
        body = {"method": "sdedit", "parameters": {"strength": 0.5, "prompt": "a large red cube"}, "seed": 1}
        ledger.add([Entry(f"r{k}", f"{k:064x}", body, f"r{k}.png") for k in range(ROWS)])
        worker = ledger.begin_worker("w", "cpu", {})
        started, cpu = time.perf_counter(), time.process_time()
        while (claim := ledger.claim(worker)) is not None:
            file = OutputFile(claim.output, "ab" * 32, 1, 1, "cd" * 32)
            ledger.record([Outcome(claim.number, "done", remark="made", files=(file,), key="ef" * 32)])
        each = (time.perf_counter() - started) / ROWS
        size = (Path(place) / ".scumble" / "ledger.sqlite").stat().st_size / ROWS
        cpu = (time.process_time() - cpu) / ROWS
        took = f"{1000 * each:.2f} ms a request ({1000 * cpu:.2f} ms of processor time)"
        print(f"the ledger alone: {took}, {size:.0f} bytes")


def grouping() -> None:
    """CPU seconds a picture when several are rows of one network batch, and how far the pictures differ."""
    from scumble.editing.editor import Editor
    from scumble.methods.img2img.text_to_image import TextToImage

    editor = Editor.from_pretrained()
    method = TextToImage(prompt="a large red cube on sand by day", num_inference_steps=STEPS)
    editor.generate(method, seed=0)
    count = max(GROUPS)

    def made(size: int) -> tuple[float, list[np.ndarray]]:
        started = time.process_time()
        result = editor.generate(method, seed=0, count=count, batch_size=size)
        return (time.process_time() - started) / count, [np.asarray(one, np.int16) for one in result.images]

    alone, pictures = made(1)
    for size in GROUPS:
        together, others = made(size)
        largest = max(int(np.abs(a - b).max()) for a, b in zip(pictures, others, strict=True))
        changed = sum(bool((a != b).any()) for a, b in zip(pictures, others, strict=True))
        print(f"{size} at once: {100 * (1 - together / alone):.0f} % less CPU a picture; "
              f"{changed} of {count} pictures differ, by {largest} of 255 at most")  # fmt: skip


if __name__ == "__main__":
    main()
