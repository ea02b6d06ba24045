"""Fixtures that every test may use: tiny models with random weights, recorded noise, small pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from scumble.editing.editor import Editor
from scumble.models.base import Model
from scumble.models.loading import load

torch.set_num_threads(1)

REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="session")
def tiny_sd() -> Model:
    """A Stable-Diffusion-shaped model with random weights (the one the reference cases were recorded on)."""
    return load(REFERENCE / "tiny-sd", device="cpu")


@pytest.fixture(scope="session")
def tiny_editor(tiny_sd: Model) -> Editor:
    return Editor(tiny_sd, cache=False)  # so that no test counts what another one has paid


@pytest.fixture(scope="session")
def conversions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for all tests that convert networks, in all processes of a run: a conversion takes seconds."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "conversions"


@dataclass
class Case:
    """A reference case: its recorded tensors and its settings."""

    tensors: dict[str, Tensor]
    info: dict[str, Any]

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    @property
    def settings(self) -> dict[str, Any]:
        return self.info["settings"]


@pytest.fixture(scope="session")
def reference() -> Any:
    """Load a reference case by name."""

    def case(name: str) -> Case:
        info = json.loads((REFERENCE / f"{name}.json").read_text())
        return Case(load_file(REFERENCE / f"{name}.safetensors"), info)

    return case


@dataclass
class Recorded:
    """A noise source that returns recorded draws by stream name, and fails on any other."""

    draws: dict[str, Tensor] = field(default_factory=dict)

    def normal(self, shape: Sequence[int], stream: str, step: int = 0) -> Tensor:
        draw = self.draws[stream]
        assert tuple(draw.shape) == tuple(shape)
        return draw

    def select(self, start: int, stop: int) -> Recorded:
        return self


@pytest.fixture
def recorded() -> type[Recorded]:
    return Recorded


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """A smooth coloured picture of 64x64 with a little structure."""
    y, x = np.mgrid[0:64, 0:64] / 63
    red, green, blue = x, y, 0.5 + 0.5 * np.sin(9 * x) * np.cos(7 * y)
    return Image.fromarray((np.stack([red, green, blue], -1) * 255).astype(np.uint8))
