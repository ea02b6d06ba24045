"""In a session the newest edit counts, overtaken ones stop, and what is made is what a plain edit makes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.editing.editor import Editor
from scumble.editing.session import Session
from scumble.errors import CancelledError, InputError


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 255, (64, 64, 3), np.uint8))


def half(left: bool) -> np.ndarray:
    change = np.zeros((64, 64), np.float32)
    change[:, :32] = left
    change[:, 32:] = not left
    return change


def method(**fields: object) -> scumble.SDEdit:
    return scumble.SDEdit(prompt="a cat", num_inference_steps=3, **fields)  # type: ignore[arg-type]


def test_an_edit_of_a_session_is_the_plain_edit(tiny_editor: Editor) -> None:
    session = Session(tiny_editor, picture(), method(), seed=5)
    stroke = session.edit(change_map=half(True)).image
    plain = tiny_editor.edit(picture(), method(change_map=half(True)), seed=5).image
    assert np.array_equal(np.asarray(stroke), np.asarray(plain))
    again = session.edit(strength=0.9).image  # the map of before stays
    assert np.array_equal(np.asarray(again)[:, 32:], np.asarray(picture())[:, 32:])


def test_an_overtaken_edit_stops_before_its_next_network_call_and_the_newest_is_made(tiny_editor: Editor) -> None:
    session = Session(tiny_editor, picture(), method(), seed=5)
    started, overtaken = threading.Event(), threading.Event()
    steps: list[int] = []
    outcome: list[object] = []

    def slow_step(progress: scumble.Progress) -> None:
        steps.append(progress.step)
        started.set()
        overtaken.wait(60)

    def first() -> None:
        try:
            outcome.append(session.edit(change_map=half(True), on_step=slow_step))
        except CancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert started.wait(60)
    newest: list[scumble.Result] = []
    second = threading.Thread(target=lambda: newest.append(session.edit(change_map=half(False))))
    second.start()
    while session._newest < 2:
        second.join(0.01)
    overtaken.set()
    thread.join(60)
    second.join(60)
    assert isinstance(outcome[0], CancelledError) and len(steps) == 1
    plain = tiny_editor.edit(picture(), method(change_map=half(False)), seed=5).image
    assert np.array_equal(np.asarray(newest[0].image), np.asarray(plain))


def test_an_unknown_field_is_refused_and_leaves_the_session_as_it_was(tiny_editor: Editor) -> None:
    session = Session(tiny_editor, picture(), method(), seed=5)
    with pytest.raises(InputError, match="strenth"):
        session.edit(strenth=0.5)
    with pytest.raises(InputError, match="strength"):
        session.edit(strength=7)
    assert session.method == method()
