"""Whether the instruction model does as it is asked, and what it changes besides: measured on unseen scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from scumble.editing.editor import Editor
from scumble.methods.instruct.instruct import Instruct
from scumble_lab.bench.case import Sample
from scumble_lab.bench.classifier import Classifier
from scumble_lab.bench.metrics.success import kept_share, succeeded
from scumble_lab.bench.tasks import draw

__all__ = ["TASKS", "instructed"]

TASKS = ("recolour", "rematerial", "reshape", "resize", "remove", "add", "floor", "sky")
"""What is asked for; a move succeeds by its distance, which no instruction says."""

_SEED = 5150
"""Of the cases: another than that of the benchmark and of its claims."""


def instructed(folder: Path, classifier: Classifier, count: int) -> dict[str, float]:
    """Figures of `count` instructions for each task, each followed once.

    `instructed_TASK`: share that succeeds; `instructed`: of all; `instructed_kept`: what else still reads as it should.
    `drift`: mean change in grey levels where nothing should change, without a change map, and `drift_in_map` with the
    true region as the map.
    """
    editor, figures, preserved = Editor.from_pretrained(str(folder)), dict[str, float](), list[float]()
    drift: dict[bool, list[float]] = {False: [], True: []}
    for task in TASKS:
        samples = [draw(task, number, seed=_SEED) for number in range(count)]
        results = [_followed(editor, sample) for sample in samples]
        readings = classifier(torch.stack([_bytes(image) for image in results]))
        hits = [succeeded(sample.case, read) for sample, read in zip(samples, readings, strict=True)]
        figures[f"instructed_{task}"] = sum(hits) / count
        preserved += [kept_share(sample.case, read) for sample, read in zip(samples, readings, strict=True)]
        drift[False] += _outside(samples, results)
        if task == "recolour":
            drift[True] += _outside(samples, [_within(editor, sample) for sample in samples])
    return {
        "instructed": sum(figures.values()) / len(TASKS),
        **figures,
        "instructed_kept": sum(preserved) / len(preserved),
        "drift": sum(drift[False]) / max(1, len(drift[False])),
        "drift_in_map": sum(drift[True]) / max(1, len(drift[True])),
    }


def _followed(editor: Editor, sample: Sample) -> Image.Image:
    return editor.edit(sample.source, Instruct(prompt=sample.case.instruction), seed=0).image


def _within(editor: Editor, sample: Sample) -> Image.Image:
    method = Instruct(prompt=sample.case.instruction, change_map=sample.area.astype(np.float32))
    return editor.edit(sample.source, method, seed=0).image


def _outside(samples: Sequence[Sample], results: Sequence[Image.Image]) -> list[float]:
    """Mean difference from the source outside each sample's region, where there is an outside."""
    differences = []
    for sample, image in zip(samples, results, strict=True):
        if sample.region is not None and not sample.region.all():
            difference = (_bytes(image).float() - _bytes(sample.source).float()).abs().mean(0)
            differences.append(float(difference[torch.from_numpy(~sample.region)].mean()))
    return differences


def _bytes(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)
