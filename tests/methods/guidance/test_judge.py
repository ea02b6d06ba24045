"""What DiffuseIT's losses look at can be chosen, where it means something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import MethodError
from scumble.methods.guidance.diffuseit import DiffuseIT
from tests.support.blended import tiny_ddpm

SHORT: dict[str, Any] = {"prompt": "a dog", "num_inference_steps": 4, "augmentations": 2, "skip": 0.5}


def test_a_pixel_model_judges_the_mixture_unless_told_otherwise(picture: Image.Image) -> None:
    editor = Editor(tiny_ddpm(), cache=False)
    usual, mixed, clean = (
        editor.edit(picture, DiffuseIT(**SHORT, **more), seed=1) for more in ({}, {"judge": "mixed"}, {"judge": "x0"})
    )
    assert np.array_equal(np.asarray(usual.image), np.asarray(mixed.image))
    assert not np.array_equal(np.asarray(usual.image), np.asarray(clean.image))
    assert usual.recipe.used["judge"] == "mixed"


def test_a_mixture_of_latents_is_not_judged(tiny_editor: Editor, picture: Image.Image) -> None:
    with pytest.raises(MethodError, match="only x0 can be judged"):
        tiny_editor.edit(picture, DiffuseIT(**SHORT, judge="mixed"), seed=1)
