"""Edit-friendly inversion in batches of levels against one level after the other, as published."""

from __future__ import annotations

import statistics
import time

from PIL import Image

from scumble.editing.editor import Editor
from scumble_lab.world import render, sample_scene

PROMPT = "a large yellow cube on a wooden floor by day"
REPEATS = 3


def main() -> None:
    editor = Editor.from_pretrained()
    pixels = render([sample_scene(45)], size=editor.model.native_size, samples=2)[0]
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    for words, scale in ((PROMPT, 3.5), (PROMPT, 1.0), ("", 1.0)):
        seconds: dict[str, list[float]] = {"parallel": [], "sequential": []}
        rows: dict[str, int] = {}
        for _ in range(REPEATS):
            for mode, taken in seconds.items():
                started = time.perf_counter()
                found = editor.invert(picture, prompt=words, guidance_scale=scale, mode=mode, seed=1, measured=False)  # type: ignore[arg-type]
                taken.append(time.perf_counter() - started)
                rows[mode] = found.report["forward_rows"]
        ratio = statistics.median(s / p for s, p in zip(seconds["sequential"], seconds["parallel"], strict=True))
        print(
            f"prompt {words!r}, guidance {scale:g}: {rows['parallel']} rows, sequential takes {ratio:.2f} times as long"
        )


if __name__ == "__main__":
    main()
