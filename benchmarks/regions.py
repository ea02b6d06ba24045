"""Region against whole on pictures larger than the model: panoramas of the world, and renders of four times its size.

In a panorama every 64-pixel window is a scene as the model knows it, so the region rule shows the model what it was
trained on, while the whole is wider than any scene, or is shrunk. In a large render the region shows less than a scene.

Usage: ``python -m benchmarks regions``, or ``python -m benchmarks.regions COUNT MODEL FILE KIND...``. FILE gets a row
for each edit (``docs/report/regions.csv`` holds those of the documentation); what is in it already is not made again.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from scumble.editing.editor import Editor
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.metrics.success import succeeded
from scumble_lab.bench.wide import SIDE, WideCase, large_render, psnr_in, wide_panorama

TASKS = ("recolour", "reshape", "add", "remove")
WINDOWS = ("region", "whole")
COUNT = 24
SEED = 7
MODEL = "still-life-fast"
KINDS: dict[str, Callable[[str, int], WideCase]] = {
    "panorama 256x64": lambda task, number: wide_panorama(task, number, SEED, 4, 64),
    "panorama 512x128": lambda task, number: wide_panorama(task, number, SEED, 8, 128),
    "render 256x256": lambda task, number: large_render(task, number, SEED),
}
COLUMNS = ("kind", "task", "number", "window", "success", "psnr", "seconds")
Row = dict[str, str]


def main(
    count: int = COUNT, model: str = MODEL, file: Path = Path("build/regions.csv"), kinds: tuple[str, ...] = ()
) -> None:
    rows = read(file)
    editor, judges = Editor.from_pretrained(model), Judges.load()
    for kind in kinds or tuple(KINDS):
        for task in TASKS:
            for number in range(count):
                there = {(row["kind"], row["task"], row["number"]) for row in rows}
                if (kind, task, str(number)) in there:
                    continue
                case = KINDS[kind](task, number)
                made = [one(editor, judges, case, number, window) for window in WINDOWS]
                rows += [dict(zip(COLUMNS, (kind, task, str(number), *values), strict=True)) for values in made]
                write(file, rows)
            for line in summary([row for row in rows if (row["kind"], row["task"]) == (kind, task)]):
                print(line, flush=True)


def one(editor: Editor, judges: Judges, case: WideCase, seed: int, window: str) -> tuple[str, str, str, str]:
    """Window, success, PSNR (dB, within what a person painted) and CPU seconds of one edit."""
    started = time.process_time()
    method = DifferentialDiffusion(prompt=case.case.prompt, change_map=case.region.astype(np.float32))
    made = np.asarray(editor.edit(case.source, method, seed=seed, window=window).image)
    seconds = time.process_time() - started
    left, top, right, bottom = case.scene
    scene = Image.fromarray(made[top:bottom, left:right]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    readings = judges.readings([scene])
    success = succeeded(case.case, readings[0]) if readings else float("nan")
    psnr = psnr_in(case.region, made, np.asarray(case.target))
    return window, f"{success:g}", f"{psnr:.3f}", f"{seconds:.2f}"


def summary(rows: list[Row]) -> list[str]:
    """A line for each kind, task and window."""
    lines = []
    for kind, task, window in sorted({(row["kind"], row["task"], row["window"]) for row in rows}):
        mine = [row for row in rows if (row["kind"], row["task"], row["window"]) == (kind, task, window)]
        success, psnr, seconds = (statistics.mean(float(row[name]) for row in mine) for name in COLUMNS[4:])
        figures = f"success {success:.2f}, PSNR {psnr:.1f} dB, {seconds:.2f} CPU s"
        lines.append(f"{kind}, {task}, {window}: {figures}, {len(mine)} cases")
    return lines


def read(file: Path) -> list[Row]:
    if not file.is_file():
        return []
    with file.open(newline="") as lines:
        return [dict(row) for row in csv.DictReader(lines)]


def write(file: Path, rows: list[Row]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as lines:
        table = csv.DictWriter(lines, COLUMNS)
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    words = sys.argv[1:]
    count, model, file = (*words[:3], *(str(COUNT), MODEL, "build/regions.csv")[len(words[:3]) :])
    main(int(count), model, Path(file), tuple(words[3:]))
