"""A coarse map takes an image's edges, and nothing else of it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from scumble.maps.guided_filter import fitted_to_edges, guided_filter, otsu_threshold


def colors(seed: int = 0, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).random((side, side, 3))


def test_a_constant_map_stays_what_it_is() -> None:
    guide = colors()
    slopes, offsets = guided_filter(guide, np.full((32, 32), 0.3), 3)
    assert np.allclose((slopes * guide).sum(-1) + offsets, 0.3, atol=1e-9)


def test_a_map_that_is_linear_in_color_is_kept() -> None:
    guide = colors()
    values = guide @ np.array([0.2, 0.5, 0.1]) + 0.1
    slopes, offsets = guided_filter(guide, values, 3, eps=1e-9)
    assert np.allclose((slopes * guide).sum(-1) + offsets, values, atol=1e-4)


def test_a_blurred_map_gets_the_edge_of_the_image() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 30:] = (200, 120, 40)
    ramp = np.clip((np.arange(64) - 22) / 16, 0, 1)[None].repeat(64, 0)
    filtered = fitted_to_edges(Image.fromarray(image), ramp, 8)
    step = np.abs(np.diff(filtered[32]))
    assert int(step.argmax()) == 29 and step.max() > 3 * np.abs(np.diff(ramp[32])).max()


def test_at_a_smaller_working_size_the_map_is_nearly_the_same() -> None:
    image = Image.fromarray((colors(1, 8) * 255).astype(np.uint8)).resize((256, 256), Image.Resampling.BICUBIC)
    values = np.random.default_rng(2).random((16, 16))
    whole, fast = fitted_to_edges(image, values, 12), fitted_to_edges(image, values, 12, working=128)
    assert whole.shape == fast.shape == (256, 256)
    assert np.abs(whole - fast).mean() < 0.02


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.9), (0.3, 0.5)])
def test_the_threshold_lies_between_two_peaks(low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(low, 0.02, 900), rng.normal(high, 0.02, 300)])
    assert low + 0.04 < otsu_threshold(values) < high - 0.04
