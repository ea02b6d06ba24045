"""A 4-step edit with a map by ``still-life-fast``, through the whole command, and the same in 50 steps beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64
WORDS = "a large red cube on sand by day"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ramp = np.tile(np.linspace(0, 255, SIDE, dtype=np.uint8), (SIDE, 1))
        Image.fromarray(ramp).save(Path(folder) / "map.png")
        Image.new("RGB", (SIDE, SIDE), (120, 130, 140)).save(Path(folder) / "photo.png")
        for model in ("still-life-fast", "still-life"):
            print(f"{model:16} {edited(model, Path(folder))}", flush=True)


def edited(model: str, folder: Path) -> str:
    """One edit by the command; seconds from the start of the process to its end, and of the edit itself."""
    command = ["edit", "photo.png", "--model", model, "--map", "map.png", "--prompt", WORDS, "--seed", "7", "--json"]
    began = time.perf_counter()
    made = subprocess.run(
        [sys.executable, "-m", "scumble", *command, "-o", f"{model}.png"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    whole, cost = time.perf_counter() - began, json.loads(made.stdout)["cost"]
    return f"{cost['forward_rows']} rows, {cost['seconds']:.2f} s of {whole:.2f} s of the whole command"


if __name__ == "__main__":
    main()
