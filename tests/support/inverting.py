"""Jobs for the tests of methods that stand on an inversion."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scumble.core.noise import CounterNoise
from scumble.methods.batch import EditBatch
from scumble.methods.inversion_fields import InversionFields
from scumble.models.base import Model

N = 6
SOURCE = {"source_prompt": "a photo of a cat", "num_inference_steps": N}


def job_of(model: Model, seeds: list[int] | None = None, change: Tensor | None = None, **more: Any) -> EditBatch:
    seeds = [3] if seeds is None else seeds
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    samples = (0, len(seeds))
    return EditBatch(
        model, CounterNoise(seeds), len(seeds), (128, 128), image=image, change=change, samples=samples, **more
    )


def result(method: InversionFields, batch: EditBatch) -> Tensor:
    found = method.run(batch)
    assert found is not None
    return found
