"""Rules of guidance in the methods that look at a source: cfg is today's picture, another rule another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.core.cost import Cost
from scumble.methods.placed import Guided, Placed
from scumble.methods.registry import METHODS, method_class
from scumble.models.base import Model
from tests.support.all_methods import editor_for, short

PICTURE = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
BESIDE_A_SOURCE = ("drag-diffusion", "pix2pix-zero", "plug-and-play", "prompt-to-prompt", "self-guidance")


def edited(name: str, folder: Path, model: Model, **more: Any) -> tuple[Any, Cost]:
    words = {"prompt": "a dog"} if name == "drag-diffusion" else {}
    method = short(name, folder, model, guidance_scale=4.0, **words, **more)
    result = editor_for(name, model).edit(PICTURE, method, seed=5)
    return np.asarray(result.images[0]), result.cost


def test_which_methods_take_a_rule() -> None:
    guided = {name for name in METHODS if issubclass(method_class(name), Guided)}
    assert guided - {name for name in METHODS if issubclass(method_class(name), Placed)} == set(BESIDE_A_SOURCE)


@pytest.mark.parametrize("name", BESIDE_A_SOURCE)
def test_a_rule_changes_the_picture_and_its_row_is_counted(name: str, tiny_sd: Model, tmp_path: Path) -> None:
    plain, cost = edited(name, tmp_path, tiny_sd)
    again, _ = edited(name, tmp_path, tiny_sd, guider="cfg")
    other, rescaled = edited(name, tmp_path, tiny_sd, guider="rescale")
    weak, more = edited(name, tmp_path, tiny_sd, guider="auto")
    assert np.array_equal(plain, again)
    assert not np.array_equal(plain, other) and rescaled.forward_rows == cost.forward_rows
    assert not np.array_equal(plain, weak) and more.forward_rows > cost.forward_rows
