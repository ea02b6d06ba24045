"""Pictures that look like photographs, drawn here: light, shade, texture at all scales and grain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["photograph"]


def photograph(width: int, height: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A wooden floor, a wall with a soft shadow, two balls, and grain; (height, width, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    noise = sum(_octave(random, height, width, 2.0**k) * 2.0**k for k in range(6)) / 32
    wall = np.array([0.78, 0.72, 0.62]) * (0.75 + 0.25 * np.cos(3 * x + 1))[..., None] * (1 + 0.25 * noise)[..., None]
    grain = np.sin(240 * y + 9 * noise + 6 * _octave(random, height, width, 12.0))
    floor = np.array([0.5, 0.32, 0.18]) * (0.85 + 0.12 * grain + 0.3 * noise)[..., None]
    picture = np.where((y > 0.45 * height / max(width, height))[..., None], floor, wall)
    for center_x, center_y, radius, color in (
        (0.3, 0.42, 0.12, (0.75, 0.15, 0.1)),
        (0.68, 0.5, 0.08, (0.15, 0.3, 0.7)),
    ):
        across, down = (x - center_x) / radius, (y - center_y * height / max(width, height)) / radius
        inside = across**2 + down**2 < 1
        up = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
        light = np.clip(0.25 + 0.8 * (0.6 * up - 0.5 * down - 0.4 * across), 0, 1)
        weave = 1 + 0.25 * np.sin(300 * across * radius) * np.sin(300 * down * radius)
        shaded = np.array(color) * (light * weave)[..., None] + (np.clip(light - 0.9, 0, 1) * 4)[..., None]
        picture = np.where(
            inside[..., None], shaded, picture * (1 - 0.4 * np.exp(-(across**2 + (down - 0.9) ** 2 * 9))[..., None])
        )
    picture = picture + random.normal(0, 0.012, picture.shape)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _octave(random: np.random.Generator, height: int, width: int, sigma: float) -> npt.NDArray[np.float64]:
    step = max(int(sigma), 1)
    coarse = random.normal(size=(height // step + 2, width // step + 2))
    return np.asarray(ndimage.zoom(coarse, step, order=1)[:height, :width])
