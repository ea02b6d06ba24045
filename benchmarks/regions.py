"""Region against whole on pictures larger than the model: renders of four times its size, and panoramas of the world.

In a panorama every 64-pixel scene is one as the model knows it, so the region rule shows the model what it was trained
on while the whole picture is shrunk. In a large render the region shows less than a whole scene.

Usage: ``python -m benchmarks regions``, or ``python -m benchmarks.regions COUNT`` for another number of cases a task.
"""

from __future__ import annotations

import statistics
import sys

import numpy as np
from PIL import Image

from scumble.editing.editor import Editor
from scumble.images import decibels
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble_lab.bench.case import Sample
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.metrics.success import succeeded
from scumble_lab.bench.tasks import draw

TASKS = ("recolour", "reshape", "add", "remove")
COUNT = 24
SEED = 7
SIDE = 64
STEPS = 25


def main(count: int = COUNT) -> None:
    editor, judges = Editor.from_pretrained(), Judges.load()
    for kind in ("panorama", "render"):
        for task in TASKS:
            for window in ("region", "whole"):
                figures = [one(editor, judges, kind, task, number, window) for number in range(count)]
                success = statistics.mean(figure[0] for figure in figures)
                psnr = statistics.mean(figure[1] for figure in figures)
                print(f"{kind}, {task}, {window}: success {success:.2f}, PSNR {psnr:.1f} dB, {count} cases", flush=True)


def one(editor: Editor, judges: Judges, kind: str, task: str, number: int, window: str) -> tuple[float, float]:
    """Success and PSNR (dB, within what a person painted) of one edit."""
    sample = draw(task, number, SEED, SIDE if kind == "panorama" else 4 * SIDE)
    before, change, left = beside(sample, number) if kind == "panorama" else (sample.source, region_of(sample), 0)
    method = DifferentialDiffusion(prompt=sample.case.prompt, change_map=change, num_inference_steps=STEPS)
    made = np.asarray(editor.edit(before, method, seed=number, window=window).image)
    side = sample.source.width
    scene = made[:, left : left + side]
    inside, target = region_of(sample) > 0, np.asarray(sample.target, float)
    error = float(((scene[inside].astype(float) - target[inside]) ** 2).mean())
    readings = judges.readings([Image.fromarray(scene).resize((SIDE, SIDE), Image.Resampling.LANCZOS)])
    success = succeeded(sample.case, readings[0]) if readings else float("nan")
    return success, decibels(error, 255)


def region_of(sample: Sample) -> np.ndarray:
    region = sample.region if sample.region is not None else sample.change
    return np.asarray(region, np.float32)


def beside(sample: Sample, number: int) -> tuple[Image.Image, np.ndarray, int]:
    """The scene in a row of four, with its map, and where it lies."""
    place = number % 4
    row = [np.asarray(draw("recolour", 4 * number + k, SEED + 1, SIDE).source) for k in range(4)]
    row[place] = np.asarray(sample.source)
    change = np.zeros((SIDE, 4 * SIDE), np.float32)
    change[:, place * SIDE : (place + 1) * SIDE] = region_of(sample)
    return Image.fromarray(np.concatenate(row, axis=1)), change, place * SIDE


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
