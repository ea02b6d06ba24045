"""What --group brings: time a picture where requests share the calls of the network, and how far they differ."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._figures import keep_table
from benchmarks.batch import fetch, write_list
from scumble.work.batch import Batch

GROUPS = (2, 4, 8)
COUNT = 64
EACH = 16
STEPS = 6


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_list(folder, COUNT, STEPS)
        seconds = in_turns(folder)
        rows = [
            [str(size), f"{1000 * each:.1f} ms", f"{100 * (1 - each / seconds[1]):.0f} %", differs(folder, size)]
            for size, each in seconds.items()
        ]
    about = f"Edits of {STEPS} steps on the bundled model, 64 px, one worker of one thread; all sizes in turns."
    print(about, *("; ".join(row) for row in rows), sep="\n  ")
    keep_table("batch-group", about, ["requests at once", "each", "time saved", "against those made one by one"], rows)


def in_turns(folder: Path) -> dict[int, float]:
    """Seconds a request for each size of a group, in turns."""
    sizes = (1, *GROUPS)
    times: dict[int, list[float]] = {size: [] for size in sizes}
    batches = {size: Batch(folder / "list.jsonl", folder / str(size), workers=1, group=size) for size in sizes}
    try:
        streams = {size: iter(batch.__enter__()) for size, batch in batches.items()}
        for size, stream in streams.items():
            fetch(stream, size)
        for _ in range(2):
            for size, stream in streams.items():
                fetch(stream, size)  # made while the others had their turn
                started = time.perf_counter()
                fetch(stream, EACH)
                times[size].append((time.perf_counter() - started) / EACH)
    finally:
        for batch in batches.values():
            batch.close()
    return {size: float(np.mean(values)) for size, values in times.items()}


def differs(folder: Path, size: int) -> str:
    """How many pictures of a group are not those made one by one, and by how much at most."""
    alone = sorted((folder / "1").glob("*.png"))
    pairs = [(path, folder / str(size) / path.name) for path in alone if (folder / str(size) / path.name).exists()]
    gaps = [int(np.abs(np.subtract(*(np.asarray(Image.open(p), np.int16) for p in pair))).max()) for pair in pairs]
    return f"{sum(gap > 0 for gap in gaps)} of {len(gaps)} pictures differ, by {max(gaps)} of 255 at most"


if __name__ == "__main__":
    main()
