"""What everything around the network costs on photographs of 12 and 24 megapixels: CPU seconds and memory above start.

The network is replaced by one that answers at once, so what is left is loading, map, window, detail, paste and saving.
Each row runs in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = {"12 MP": (4000, 3000), "24 MP": (6000, 4000)}
ROWS = ("region", "whole", "region --count 8", "map blur 200")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            draw(Path(folder), size)
            for row in ROWS:
                command = [sys.executable, "-m", "benchmarks.photographs", folder, row]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                print(f"{name}, {row}: {done.stdout.strip()}", flush=True)


def draw(folder: Path, size: tuple[int, int]) -> None:
    """A picture with texture at all scales, and a map of a disc of radius 450."""
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8))
    Image.fromarray(np.asarray(small.resize(size, Image.Resampling.BICUBIC))).save(folder / "in.jpg", quality=92)
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    disc = np.hypot(x - size[0] / 2, y - size[1] / 2) < 450
    Image.fromarray(disc.astype(np.uint8) * 255).save(folder / "map.png", compress_level=1)


def measure(folder: Path, row: str) -> None:
    from scumble import maps
    from scumble.editing.editor import Editor
    from scumble.images import save_image
    from scumble.methods.img2img.sdedit import SDEdit
    from scumble.models.loading import load

    model = load()

    class Instant:
        """Leaves the picture as it is."""

        def __getattr__(self, name: str) -> object:
            return getattr(model, name)

        factor, multiple, native_size, channels = 1, 8, 512, 3

        def encode(self, image: object, sample_noise: object = None) -> object:
            return image

        def decode(self, x0: object) -> object:
            return x0

    editor = Editor(Instant())  # type: ignore[arg-type]
    count = 8 if row.endswith("8") else 1
    before, started = peak(), time.process_time()
    if row.startswith("map"):
        save_image(maps.blurred_mask(maps.from_file(folder / "map.png"), 200), folder / "blurred.png")
    else:
        method = SDEdit(strength=0.0, change_map=folder / "map.png")
        result = editor.edit(folder / "in.jpg", method, seed=0, count=count, window=row.split()[0])
        result.save(folder / "out.png")
    print(f"{time.process_time() - started:.1f} CPU s, {(peak() - before) / 2**20:.0f} MB above start-up")


def peak() -> int:
    """Highest resident set so far in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
