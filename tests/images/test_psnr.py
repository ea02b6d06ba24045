"""Decibels between pictures."""

from __future__ import annotations

import math

import pytest
import torch

from scumble.images import decibels, psnr


def test_a_difference_of_one_step_everywhere_is_48_decibels() -> None:
    black = torch.zeros(3, 4, 4, dtype=torch.uint8)
    assert psnr(black, black + 1, 255) == pytest.approx(20 * math.log10(255))
    assert psnr(black / 255, (black + 1) / 255) == pytest.approx(psnr(black, black + 1, 255))


def test_equal_pictures_count_the_limit_and_nothing_stays_nothing() -> None:
    assert decibels(0.0, limit=60) == 60 and decibels(1e-12, limit=60) == 60
    assert math.isnan(decibels(math.nan))
