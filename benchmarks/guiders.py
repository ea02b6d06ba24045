"""Rules of guidance: how often an edit succeeds by each, what it costs, how far the rest drifts and colors saturate.

``python -m benchmarks.guiders [COUNT] [METHOD …]``: recoloring on scenes that no setting was chosen on. A row of
docs/report/guiders.csv for each edit; those that are there are kept. Drift: RMS of what should stay. Saturation: share
of result pixels with a channel at 0 or 255.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks._rows import Rows
from scumble.editing.editor import Editor
from scumble.images import to_tensor
from scumble.methods.placed import Guided
from scumble.methods.registry import method_class
from scumble_lab.bench.classifier import Classifier, load_classifier
from scumble_lab.bench.metrics.success import succeeded
from scumble_lab.bench.tasks import draw

COUNT, SEED, STEPS = 48, 1919, 8
FILE = Path(__file__).parents[1] / "docs" / "report" / "guiders.csv"
FIELDS: dict[str, dict[str, Any]] = {
    "sdedit": {"strength": 0.75, "num_inference_steps": STEPS},
    "differential-diffusion": {"strength": 0.9, "num_inference_steps": STEPS},
    "blended-latent-diffusion": {"num_inference_steps": STEPS},
    "ddpm-inversion": {"num_inference_steps": STEPS, "skip": 0.2},
}
REGION = ("differential-diffusion", "blended-latent-diffusion")
"""Methods that are given the region; the others redraw the whole image."""


def main(count: int = COUNT, names: Sequence[str] = tuple(FIELDS), file: Path = FILE) -> None:
    """Make what is missing, case by case so that all rules have equally many; then print a line for each rule."""
    rows = Rows(file, ("method", "guider", "case"), ("success", "drift", "saturated", "forward_rows", "seconds"))
    editor, classifier = Editor.from_pretrained(), load_classifier()
    rules: tuple[str, ...] = get_args(Guided.model_fields["guider"].annotation)
    for k in range(count):
        for name in names:
            for rule in rules:
                if not rows.has(name, rule, k):
                    rows.add({"method": name, "guider": rule, "case": k, **measured(editor, classifier, name, rule, k)})
    for name in names:
        for rule in rules:
            mine = [row for row in rows.rows if (row["method"], row["guider"]) == (name, rule)]
            if not mine:
                continue
            right, drift, saturated, cost = (
                sum(float(row[column]) for row in mine) / len(mine)
                for column in ("success", "drift", "saturated", "forward_rows")
            )
            stated = f"{100 * right:.0f} % right, drift {drift:.1f}, saturated {100 * saturated:.1f} %"
            print(f"{name} {rule}: {stated}, {cost:.0f} rows, {len(mine)} cases", flush=True)


def measured(editor: Editor, classifier: Classifier, name: str, rule: str, k: int) -> dict[str, float]:
    """The figures of one edit."""
    sample = draw("recolour", k, SEED)
    assert sample.region is not None
    fields = {**FIELDS[name], "prompt": sample.case.prompt, "guider": rule}
    if name in REGION:
        fields["change_map"] = sample.region.astype(np.float32)
    if name == "ddpm-inversion":
        fields["source_prompt"] = sample.case.source_prompt
    result = editor.edit(sample.source, method_class(name)(**fields), seed=SEED + k)
    pixels, source = np.asarray(result.images[0]), np.asarray(sample.source)
    rest = np.asarray(sample.region) == 0
    return {
        "success": succeeded(sample.case, classifier(to_tensor(result.images[0]))[0]),
        "drift": round(float(np.sqrt(((pixels[rest].astype(float) - source[rest]) ** 2).mean())), 3),
        "saturated": round(float(((pixels == 0) | (pixels == 255)).any(-1).mean()), 5),
        "forward_rows": result.cost.forward_rows,
        "seconds": round(result.cost.seconds, 3),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT, sys.argv[2:] or tuple(FIELDS))
