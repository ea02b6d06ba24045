"""A window is shifted so that its border cuts nothing, and holds what it must hold wherever it goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scumble.images import region
from scumble.images.framing import framed
from scumble.images.window import Box


def test_a_thing_beside_the_region_is_shown_whole_or_not_at_all() -> None:
    pixels = np.full((64, 256, 3), 120, np.uint8)
    pixels[:30] = 200  # a horizon is cut by every window alike
    pixels[20:50, 150:176] = (200, 30, 30)
    picture, inside = Image.fromarray(pixels), (110, 24, 134, 48)
    window = region(picture.size, inside, 8, 64)
    assert window.box[0] < 176 and 150 < window.box[2] < 176
    moved = framed(window, inside, picture, 8)
    assert not 150 < moved.box[2] < 176
    assert (moved.size, moved.scaled, moved.context) == (window.size, window.scaled, window.context)


def test_where_every_border_cuts_alike_the_region_stays_in_the_middle() -> None:
    picture, inside = Image.new("RGB", (300, 200), "gray"), (120, 90, 150, 110)
    window = region(picture.size, inside, 8, 64)
    assert framed(window, inside, picture, 8) == window


def test_what_lies_low_in_the_picture_lies_low_in_its_window() -> None:
    picture, inside = Image.new("RGB", (300, 200), "gray"), (120, 140, 150, 160)
    window = region(picture.size, inside, 8, 64)
    box = framed(window, inside, picture, 8).box
    assert (window.box[1], box[1]) == (118, 104)  # the context of 8 below it stays


def test_the_whole_picture_is_not_shifted() -> None:
    picture = Image.new("RGB", (64, 64))
    window = region(picture.size, (10, 10, 50, 50), 8, 64)
    assert framed(window, (10, 10, 50, 50), picture) is window


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.data())
@pytest.mark.parametrize("native", [16, 64])
def test_a_framed_window_holds_its_region_and_lies_in_the_picture(
    native: int, width: int, height: int, data: st.DataObject
) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    inside: Box = (left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    picture = Image.effect_noise((width, height), 60).convert("RGB")
    window = region(picture.size, inside, 8, native)
    box = framed(window, inside, picture, 8).box
    assert 0 <= box[0] <= inside[0] and inside[2] <= box[2] <= width
    assert 0 <= box[1] <= inside[1] and inside[3] <= box[3] <= height
    assert (box[2] - box[0], box[3] - box[1]) == window.box_size
