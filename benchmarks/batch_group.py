"""What --group brings: time a picture where requests share the calls of the network, and how far they differ."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._figures import note
from benchmarks.batch import fetch, write_list
from scumble.work.batch import Batch

GROUPS = (2, 4, 8)
COUNT = 48
STEPS = 6


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_list(folder, COUNT, STEPS)
        seconds = in_turns(folder)
        for size in GROUPS:
            saved = 100 * (1 - seconds[size] / seconds[1])
            print(f"{size} at once: {saved:.0f} % less time a picture; {differs(folder, size)}")
        note("group", sizes=list(GROUPS), saved=[1 - seconds[size] / seconds[1] for size in GROUPS])


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
                fetch(stream, 8)
                times[size].append((time.perf_counter() - started) / 8)
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
