"""Nothing that grows with steps times the network is kept: more steps need a few latents more, and no activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.methods.registry import method_class
from scumble.models.footprint import LiveBytes
from scumble.models.loading import from_pipe

SIDE = 32
PHOTO = Image.fromarray(np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))
KNOWN: dict[str, Any] = {"prompt": "a red cube", "source_prompt": "a big cube"}
METHODS: dict[str, dict[str, Any]] = {
    "sdedit": {"prompt": "a cube"},
    "differential-diffusion": {"prompt": "a cube", "change_map": 0.9},
    "ddpm-inversion": KNOWN,
    "drag-noise": {"points": ((8, 8, 18, 8),), "iterations": 1},
    "pix2pix-zero": {**KNOWN, "rounds": 1},
    "prompt-to-prompt": KNOWN,
}
WHOLE: dict[str, Any] = {"window": "whole", "work_size": SIDE}
BY_LEVELS = 32
"""Steps from which on an edit-friendly inversion's network calls, of up to 16 levels each, are as large as ever."""
LATENTS = 16
"""Latents that a step may keep: paths, their noise and residuals, of source and edit."""


@pytest.mark.parametrize("name", METHODS)
def test_more_steps_keep_no_activations(sd_pipe: Any, name: str) -> None:
    model = from_pipe(sd_pipe)
    few = BY_LEVELS if name in ("ddpm-inversion", "prompt-to-prompt") else 3
    most = []
    for steps in (few, few, few + 6):  # the first run loads what stays
        editor = scumble.Editor(model, cache=False)
        with LiveBytes() as alive:
            editor.edit(PHOTO, method_class(name)(**METHODS[name], num_inference_steps=steps), seed=1, **WHOLE)
        most.append(alive.most)
    cells = (SIDE // model.factor) ** 2
    latent = 4 * model.channels * cells
    assert most[2] - most[1] <= 6 * LATENTS * latent
    assert LATENTS * latent < 4 * cells**2  # below what one map of self-attention takes
