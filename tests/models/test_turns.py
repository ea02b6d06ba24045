"""Threads on one network take turns, and taps that end in any order leave nothing behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.editing.editor import Editor
from scumble.methods.method import Method
from scumble.methods.registry import method_class
from scumble.models.base import Model
from scumble.models.taps import Tap, attached, sites
from scumble.models.turns import turn_of

WORDS: dict[str, Any] = {"prompt": "a photo of a dog", "num_inference_steps": 3}
KNOWN: dict[str, Any] = {**WORDS, "source_prompt": "a photo of a cat"}
DRAG: dict[str, Any] = {"points": ((20, 30, 32, 30),), "num_inference_steps": 4, "iterations": 2}
EIGHT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sdedit", WORDS),
    ("differential-diffusion", WORDS),
    ("ddpm-inversion", KNOWN),
    ("prompt-to-prompt", KNOWN),
    ("plug-and-play", KNOWN),
    ("pix2pix-zero", {**KNOWN, "rounds": 1}),
    ("self-guidance", {**WORDS, "move": {"dog": (0.2, 0.0)}, "inversion_iterations": 1}),
    ("drag-noise", DRAG),
)


def test_four_threads_and_eight_methods_on_one_network_give_what_they_give_in_turn(
    tiny_sd: Model, picture: Image.Image
) -> None:
    editors = [Editor(tiny_sd), Editor(tiny_sd)]
    methods: list[Method] = [method_class(name)(**fields) for name, fields in EIGHT]

    def made(k: int) -> np.ndarray[Any, Any]:
        return np.asarray(editors[k % 2].edit(picture, methods[k % len(methods)], seed=k).image)

    alone = [made(k) for k in range(2 * len(methods))]
    together = threading.Barrier(4)

    def at_once(k: int) -> np.ndarray[Any, Any]:
        if k < 4:
            together.wait()
        return made(k)

    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(at_once, range(2 * len(methods))))
    for k, (one, other) in enumerate(zip(alone, threaded, strict=True)):
        assert np.array_equal(one, other), EIGHT[k % len(EIGHT)][0]
    assert not editors[0].busy
    assert np.array_equal(made(0), alone[0])


def test_an_editor_is_busy_while_it_runs_and_another_network_is_not(tiny_sd: Model, picture: Image.Image) -> None:
    editor, seen = Editor(tiny_sd), []
    method = method_class("sdedit")(**WORDS)
    editor.edit(picture, method, seed=0, on_step=lambda step: seen.append(editor.busy))
    assert seen and all(seen) and not editor.busy
    with turn_of(torch.nn.Linear(1, 1)):
        assert not editor.busy


def test_a_run_inside_a_callback_does_not_wait_for_itself(tiny_sd: Model, picture: Image.Image) -> None:
    editor, inner = Editor(tiny_sd), []
    method = method_class("sdedit")(**WORDS)
    alone = editor.edit(picture, method, seed=1).image
    editor.edit(picture, method, seed=0, on_step=lambda s: inner.append(editor.edit(picture, method, seed=1).image))
    assert all(np.array_equal(np.asarray(image), np.asarray(alone)) for image in inner)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_taps_that_end_in_any_order_leave_the_network_as_it_was(tiny_sd: Model, order: tuple[int, ...]) -> None:
    paths = [site.path for site in sites(tiny_sd.denoiser, "cross_attention")]
    before = {name: getattr(m, "processor", None) for name, m in tiny_sd.denoiser.named_modules()}
    hooks = {name: len(m._forward_hooks) for name, m in tiny_sd.denoiser.named_modules()}
    stacks = [ExitStack() for _ in order]
    calls: list[int] = []
    for k, stack in enumerate(stacks):
        taps = [Tap(path, lambda t, k=k: calls.append(k), "probs") for path in paths]
        stack.enter_context(attached(tiny_sd.denoiser, [*taps, Tap("mid_block", lambda t: None)]))
    left = set(range(len(order)))
    x, level, cond = torch.zeros(1, 4, 8, 8), tiny_sd.schedule.levels(2)[0], tiny_sd.embed(["a cat"])
    for k in order:
        calls.clear()
        tiny_sd.predict(x, level, cond)
        assert set(calls) == left
        stacks[k].close()
        left.remove(k)
    assert {name: getattr(m, "processor", None) for name, m in tiny_sd.denoiser.named_modules()} == before
    assert {name: len(m._forward_hooks) for name, m in tiny_sd.denoiser.named_modules()} == hooks
