"""Shrinking masks: nested, all used, the drawn one last."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scumble.methods.inpainting.mask_shrinking import MaskSchedule, dilated, is_thin


def line(width: int = 1) -> torch.Tensor:
    mask = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    mask[..., 8 : 8 + width, 2:14] = True
    return mask


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 6), st.integers(0, 30), st.integers(1, 60))
def test_masks_are_nested_all_used_and_end_as_drawn(dilations: int, first: int, length: int) -> None:
    schedule = MaskSchedule.shrinking(line(), dilations, first, first + length)
    seen = [schedule(i) for i in range(first, first + length)]
    assert torch.equal(seen[-1], line())
    assert all(bool((later <= earlier).all()) for earlier, later in pairwise(seen))
    assert all(any(mask is used for used in seen) for mask in schedule.masks)
    assert len(schedule.masks) == min(dilations, length - 1) + 1


def test_the_published_index_never_reaches_the_drawn_mask_for_some_lengths() -> None:
    length, count = 50, 10
    published = {i // (length // count + 1) for i in range(length)}
    assert count - 1 not in published
    schedule = MaskSchedule.shrinking(line(), count - 1, 0, length)
    assert schedule(length - 1) is schedule.masks[-1]


def test_dilation_grows_by_a_square() -> None:
    point = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    point[..., 4, 4] = True
    for kernel in (3, 5, 7):
        assert int(dilated(point, kernel).sum()) == kernel**2


@pytest.mark.parametrize(("width", "thin"), [(1, True), (2, True), (3, False)])
def test_thin_means_at_most_two_cells(width: int, thin: bool) -> None:
    assert is_thin(line(width)) is thin


def test_an_empty_mask_is_not_thin() -> None:
    assert not is_thin(torch.zeros(1, 1, 8, 8, dtype=torch.bool))
