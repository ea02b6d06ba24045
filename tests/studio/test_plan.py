"""What is told before an edit: the release table is the engine's rule, the counts are those of the edit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image

from scumble.controls.change_map import release_index
from scumble.editing.editor import Editor
from scumble.methods.registry import method_class
from scumble.studio.plan import release_table

COUNTED: dict[str, dict[str, Any]] = {
    "differential-diffusion": {"prompt": "a", "num_inference_steps": 5},
    "sdedit": {"prompt": "a", "num_inference_steps": 6, "strength": 0.5},
    "ddpm-inversion": {"prompt": "a", "num_inference_steps": 5},
    "ddim-inversion": {"prompt": "a", "num_inference_steps": 5},
    "cycle-diffusion": {"prompt": "a", "num_inference_steps": 5},
    "ledits": {"prompt": "a", "source_prompt": "b", "num_inference_steps": 3},
    "prompt-to-prompt": {"prompt": "a b", "source_prompt": "a c", "num_inference_steps": 2},
    "blended-latent-diffusion": {"prompt": "a", "num_inference_steps": 5, "rank": False},
}


@pytest.mark.parametrize(("steps", "strength"), [(50, 1.0), (12, 1.0), (50, 0.6), (7, 0.3), (1, 1.0)])
def test_the_release_table_is_the_engines_rule(steps: int, strength: float) -> None:
    values = (torch.arange(256) / 255.0).reshape(1, 1, 16, 16)
    wanted = release_index(values, steps, (1 - strength) * steps).flatten().tolist()
    assert release_table(steps, strength) == wanted


@pytest.mark.parametrize("name", list(COUNTED))
def test_what_is_counted_before_is_what_the_edit_takes(tiny_editor: Editor, name: str) -> None:
    image = Image.new("RGB", (32, 32), (120, 90, 60))
    mask = Image.new("L", (32, 32), 0)
    mask.paste(180, (8, 8, 24, 24))
    method = method_class(name)(change_map=mask, **COUNTED[name])
    counted = tiny_editor.plan(image, method).most
    real = tiny_editor.edit(image, method, seed=3).cost
    assert (counted.forward_rows, counted.backward_rows, counted.network_calls) == (
        real.forward_rows, real.backward_rows, real.network_calls,
    )  # fmt: skip
