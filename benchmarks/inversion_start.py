"""Where a DDIM inversion looks for a level first: how exactly it returns, and what edits gain, warm against same.

``python -m benchmarks inversion_start`` for both; ``python -m benchmarks.inversion_start round|METHOD [COUNT]`` for
one. Cases are the benchmark's, paired; seeds that the choice of defaults has not seen.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import mean
from typing import Any

import torch

from scumble.editing.editor import Editor
from scumble.images import to_tensor
from scumble.methods.registry import method_class
from scumble_lab.bench.classifier import load_classifier
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.score import score
from scumble_lab.bench.tasks import draw

SEED, CASES, PICTURES = 1604, 16, 6
STARTS = ("same", "warm")
STEPS = (20, 50)
METHODS: dict[str, dict[str, Any]] = {
    "ddim-inversion": {},
    "prompt-to-prompt": {"trajectory": "ddim"},
    "plug-and-play": {},
    "pix2pix-zero": {},
    "self-guidance": {},
    "drag-noise": {},
    "drag-diffusion": {},
}
"""Rows of the benchmark -> what they do not set; prompt-to-prompt inverts by DDIM only where it is asked to."""


def round_trip(editor: Editor, count: int) -> None:
    """Decibels between the replayed inversion and the decoded image, by start, steps, words and iterations."""
    samples = [draw("recolour", k, SEED) for k in range(count)]
    for steps in STEPS:
        for words in (False, True):
            for iterations in (1, 2, 3):
                decibels = {start: list[float]() for start in STARTS}
                for sample in samples:
                    for start, taken in decibels.items():
                        inversion = editor.invert(
                            sample.source, method="ddim", num_inference_steps=steps, iterations=iterations, tolerance=0,
                            prompt=sample.case.source_prompt if words else "", inversion_start=start,
                        )  # fmt: skip
                        taken.append(inversion.error["pixel_psnr"])
                figures = ", ".join(f"{start} {mean(taken):.1f} dB" for start, taken in decibels.items())
                told = "with words" if words else "without words"
                print(f"round trip, {steps} steps, {told}, {iterations} iterations: {figures}", flush=True)


def gain(editor: Editor, name: str, count: int) -> None:
    """Success and nearness to the true result of one method, on the same cases from both starts."""
    row, classifier = EDITORS[name], load_classifier()
    figures: dict[str, list[dict[str, float]]] = {start: [] for start in STARTS}
    for k in range(count):
        sample = draw(row.tasks[k % len(row.tasks)], k // len(row.tasks), SEED)
        for start, scored in figures.items():
            fields = {**row.settings(sample), **METHODS[name], "inversion_start": start}
            result = editor.edit(sample.source, method_class(name)(**fields), seed=SEED + k).image
            scored.append(score(sample, result, Judges(), classifier(to_tensor(result))[0]))
        if (k + 1) % 4 == 0:
            print(f"{name}, {k + 1} cases: {_compared(figures)}", flush=True)


def _compared(figures: dict[str, list[dict[str, float]]]) -> str:
    """Each start's successes and mean decibels, and in how many cases the warm one is better and worse outside."""
    parts = [
        f"{start} success {sum(one['success'] for one in scored):.0f},"
        f" outside {mean(one['psnr_out'] for one in scored):.1f} dB,"
        f" inside {mean(one['psnr_in'] for one in scored):.1f} dB"
        for start, scored in figures.items()
    ]
    gained = [warm["psnr_out"] - same["psnr_out"] for same, warm in zip(*figures.values(), strict=True)]
    return f"{'; '.join(parts)}; warm {sum(one > 0 for one in gained)} better, {sum(one < 0 for one in gained)} worse"


def main(names: Sequence[str] = ("round", *METHODS), count: int | None = None) -> None:
    """Measure what is named."""
    torch.set_num_threads(1)
    editor = Editor.from_pretrained()
    for name in names:
        if name == "round":
            round_trip(editor, count or PICTURES)
        else:
            gain(editor, name, count or CASES)


if __name__ == "__main__":
    named = sys.argv[1].split(",") if len(sys.argv) > 1 else ("round", *METHODS)
    main(named, int(sys.argv[2]) if len(sys.argv) > 2 else None)
