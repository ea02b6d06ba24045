"""Whether pictures can be edited with the bundled latent model: recolouring, judged by the classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from scumble.editing.editor import Editor
from scumble_lab.bench.classifier import Classifier
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.metrics.success import succeeded
from scumble_lab.bench.tasks import draw

__all__ = ["recolouring"]

_SEED = 5150
"""Of the cases: another than that of the benchmark and of its claims."""


def recolouring(folder: Path, classifier: Classifier, count: int) -> dict[str, float]:
    """Share of `count` recolourings of unseen scenes that succeed, by SDEdit and by edit-friendly inversion.

    A model that states its own number of steps is asked with that, as the benchmark's twins are.
    """
    editor = Editor.from_pretrained(str(folder))
    cases = [draw("recolour", number, seed=_SEED) for number in range(count)]
    twin = "-fast" if editor.model.defaults else ""
    shares = {}
    for name in ("sdedit", "ddpm-inversion"):
        methods = [EDITORS[name + twin].build(sample) for sample in cases]
        edited = [editor.edit(s.source, method, seed=0).image for s, method in zip(cases, methods, strict=True)]
        pictures = torch.stack([torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1) for image in edited])
        hits = [succeeded(sample.case, read) for sample, read in zip(cases, classifier(pictures), strict=True)]
        shares[f"recolour_{name}"] = sum(hits) / count
    return shares
