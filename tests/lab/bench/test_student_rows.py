"""The student's rows are their teacher's in all but the model, its steps and its guidance."""

from __future__ import annotations

import pytest

from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.tasks import draw

TWINS = [name for name in EDITORS if name.endswith("-fast")]


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_leaves_steps_and_guidance_to_its_model(name: str) -> None:
    row, teacher = EDITORS[name], EDITORS[name.removesuffix("-fast")]
    sample = draw(row.tasks[0], 0, seed=3)
    method, taught = row.build(sample), teacher.build(sample)
    assert (row.model, row.tasks, type(method)) == ("still-life-fast", teacher.tasks, type(taught))
    assert not {"num_inference_steps", "guidance_scale"} & method.model_fields_set
    ours = method.with_defaults({"num_inference_steps": 4, "guidance_scale": 1.0})
    different = {key for key, value in ours if key != "change_map" and value != getattr(taught, key)}
    assert different <= {"num_inference_steps", "guidance_scale"}
