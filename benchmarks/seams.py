"""Seams of pictures that were continued: how much more a row changes across the edge of the strip than elsewhere.

24 pictures of the bundled world are continued by a quarter on both sides, half of them without words. A score of
1 is no seam; that of the true continuation is printed beside it. Also counts suns and moons that were made twice.

Usage: ``python -m benchmarks seams``, or ``python -m benchmarks.seams COUNT MODEL``; the pictures come to
``build/seams.png``.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from scumble.editing.editor import Editor
from scumble.editing.extend import extend
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble_lab.bench.tasks import draw

COUNT = 24
MODEL = "still-life-fast"
STRIP = 16
SIDE = 64
SHEET = Path("build/seams.png")

Pixels = npt.NDArray[np.uint8]


def main(count: int = COUNT, model: str = MODEL) -> None:
    editor, rows, scores, true, suns = Editor.from_pretrained(model), list[Pixels](), list[float](), list[float](), 0
    for number in range(count):
        sample = draw("recolour", number, 11, SIDE)
        words = sample.case.source_prompt if number % 2 else ""
        method = DifferentialDiffusion(prompt=words)
        result = extend(editor, sample.source, method, left=STRIP, right=STRIP, seed=number)
        made = np.asarray(result.image)
        rows.append(made)
        scores += [seam(made, STRIP), seam(made, STRIP + SIDE)]
        true += [seam(np.asarray(sample.source), column) for column in (STRIP, SIDE - STRIP)]
        suns += discs(made) > max(discs(np.asarray(sample.source)), 1)
    SHEET.parent.mkdir(parents=True, exist_ok=True)
    rows += [np.zeros_like(rows[0])] * (-len(rows) % 6)
    lines = [np.concatenate(rows[k : k + 6], axis=1) for k in range(0, len(rows), 6)]
    Image.fromarray(np.concatenate(lines)).resize((96 * 18, 64 * 3 * len(lines)), Image.Resampling.NEAREST).save(SHEET)
    print(
        f"{count} pictures continued on both sides: seam score median {statistics.median(scores):.2f},"
        f" mean {statistics.mean(scores):.2f}, largest {max(scores):.2f} (inside true pictures"
        f" {statistics.mean(true):.2f}, {max(true):.2f}); {suns} with another sun or moon; {SHEET}"
    )


def seam(picture: Pixels, column: int) -> float:
    """Mean change across a border between columns, in units of the mean change in the eight columns around it."""
    change = np.abs(np.diff(picture.astype(float), axis=1)).mean(axis=(0, 2))
    around = np.concatenate([change[column - 5 : column - 1], change[column : column + 4]])
    return float((change[column - 1] + 0.5) / (around.mean() + 0.5))


def discs(picture: Pixels) -> int:
    """How many suns or moons are in the upper quarter: small spots far brighter than their row."""
    sky = picture[: picture.shape[0] // 4].astype(float).mean(-1)
    bright = sky - np.median(sky, axis=1, keepdims=True) > 60
    labels, found = ndimage.label(bright)
    sizes = ndimage.sum_labels(bright, labels, range(1, found + 1))
    return int(((sizes >= 6) & (sizes <= 60)).sum())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT, *sys.argv[2:3])
