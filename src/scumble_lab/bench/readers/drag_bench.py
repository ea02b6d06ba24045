"""DragBench (arXiv 2306.14435) as a benchmark: its ten categories as tasks, its points and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from scumble.errors import InputError
from scumble.images import load_image
from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.dragbench import DragSample, read_sample, sample_files
from scumble_lab.bench.folder import Benchmark

__all__ = ["open_drag_bench"]


def open_drag_bench(folder: Path) -> Benchmark:
    """Open the folder that holds `<category>/<sample>/original_image.png` and `meta_data.pkl`.

    Samples whose picture is missing or whose points cannot be read are named and left out.

    Raises:
        InputError: if none is left.
    """
    cases, samples, notices = [], {}, []
    for file in sample_files(folder):
        name = f"{file.parent.parent.name}/{file.parent.name}"
        try:
            sample = read_sample(file)
        except InputError as error:
            notices.append(f"left out: {error}")
            continue
        if not sample.path.is_file():
            notices.append(f"left out: {name} has no {sample.path.name}")
            continue
        case = Case(
            id=name.replace("/", "--"),
            task=f"drag: {file.parent.parent.name}",
            instruction=f"drag {len(sample.points)} point{'s' * (len(sample.points) > 1)}",
            source_prompt=sample.prompt,
            prompt=sample.prompt,
            points=sample.points,
        )
        cases.append(case)
        samples[case.id] = sample
    if not cases:
        raise InputError(f"no sample of {folder.name} can be read; {notices[0]}")
    return Benchmark(
        folder, "DragBench", tuple(cases), lambda case: _load(case, samples[case.id]),
        tuple(notices), "drag-bench",
    )  # fmt: skip


def _load(case: Case, sample: DragSample) -> Sample:
    source = load_image(sample.path).rgb
    mask = sample.mask
    if mask.shape != (source.height, source.width):
        scaled = Image.fromarray(mask).resize(source.size, Image.Resampling.NEAREST)
        mask = np.asarray(scaled, dtype=bool)
    return Sample(case, source, region=mask if mask.any() else None)
