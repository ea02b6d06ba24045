"""Rules of guidance: how often an edit succeeds by each, what it costs, how far the rest drifts and colors saturate.

``python -m benchmarks.guiders [COUNT] [METHOD …]``: recoloring, the whole image free, on scenes that no setting was
chosen on. Drift: RMS of what should stay. Saturation: share of result pixels with a channel at 0 or 255.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from scumble.editing.editor import Editor
from scumble.images import to_tensor
from scumble.methods.placed import Placed
from scumble.methods.registry import method_class
from scumble_lab.bench.classifier import load_classifier
from scumble_lab.bench.metrics.success import succeeded
from scumble_lab.bench.tasks import draw

SEED, STEPS = 1919, 12
FIELDS: dict[str, dict[str, Any]] = {
    "sdedit": {"strength": 0.75, "num_inference_steps": STEPS},
    "differential-diffusion": {"strength": 0.9, "num_inference_steps": STEPS},
    "blended-latent-diffusion": {"num_inference_steps": STEPS},
    "ddpm-inversion": {"num_inference_steps": STEPS, "skip": 0.2},
}
REGION = ("differential-diffusion", "blended-latent-diffusion")
"""Methods that are given the region; the others redraw the whole image."""


def main(count: int = 48, names: Sequence[str] = tuple(FIELDS)) -> None:
    """Print a line for each method and rule."""
    editor, classifier = Editor.from_pretrained(), load_classifier()
    rules = get_args(Placed.model_fields["guider"].annotation)
    for name in names:
        for rule in rules:
            right, drift, clipped, rows = 0.0, [], [], 0
            for k in range(count):
                sample = draw("recolour", k, SEED)
                assert sample.region is not None
                fields = {**FIELDS[name], "prompt": sample.case.prompt, "guider": rule}
                if name in REGION:
                    fields["change_map"] = sample.region.astype(np.float32)
                if name == "ddpm-inversion":
                    fields["source_prompt"] = sample.case.source_prompt
                result = editor.edit(sample.source, method_class(name)(**fields), seed=SEED + k)
                pixels, source = np.asarray(result.images[0]), np.asarray(sample.source)
                right += succeeded(sample.case, classifier(to_tensor(result.images[0]))[0])
                rest = np.asarray(sample.region) == 0
                drift.append(float(np.sqrt(((pixels[rest].astype(float) - source[rest]) ** 2).mean())))
                clipped.append(float(((pixels == 0) | (pixels == 255)).any(-1).mean()))
                rows += result.cost.forward_rows
            stated = f"{right:.0f}/{count} right, drift {np.mean(drift):.1f}, saturated {100 * np.mean(clipped):.1f} %"
            print(f"{name} {rule}: {stated}, {rows / count:.0f} rows", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 48, sys.argv[2:] or tuple(FIELDS))
