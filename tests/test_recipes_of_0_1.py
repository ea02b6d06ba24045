"""Recipes written by version 0.1 (tests/reference_0_1) are made again, bit for bit."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from scumble.editing.editor import Editor
from scumble.editing.redo import redo
from scumble.inversion.inversion import Inversion
from scumble.models.loading import load
from tests.support.blended import tiny_ddpm

FOLDER = Path(__file__).parent / "reference_0_1"
RECORDED = json.loads((FOLDER / "recorded.json").read_text())
RECIPES = FOLDER / "recipes"


def tolerance() -> int:
    """Grey levels that may differ: none where torch's build and the processor are those of the recording."""
    here = {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability(), "threads": 1}
    return 0 if here == RECORDED["environment"] else 2


@cache
def editor(name: str) -> Editor:
    if name == "tiny-ddpm":
        return Editor(tiny_ddpm())
    return Editor(load(FOLDER.parent / "reference" / "tiny-sd", device="cpu"))


@pytest.fixture(autouse=True)
def beside_the_inputs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Version 0.1 looked for a recipe's other files in the working folder; a trained LoRA is kept elsewhere."""
    monkeypatch.chdir(RECIPES)
    monkeypatch.setenv("SCUMBLE_CACHE", str(tmp_path))


@pytest.mark.parametrize("name", sorted(RECORDED["pictures"]))
def test_a_recipe_of_0_1_gives_the_same_picture(name: str) -> None:
    done = redo(RECIPES / name, editor=editor(RECORDED["pictures"][name]["model"]))
    assert done.largest <= tolerance(), f"{done.share:.1%} of the pixels differ, by up to {done.largest}"


@pytest.mark.parametrize("kind", ["edit-friendly", "naive", "ddim"])
def test_an_inversion_of_0_1_is_read_as_it_was(kind: Any) -> None:
    found = Inversion.load(RECIPES / f"{kind}.inversion.safetensors")
    assert (found.kind, found.steps, found.prompt, found.seed) == (kind, 4, "a photo of a cat", 7)
    assert found.error["latent_max"] >= 0
