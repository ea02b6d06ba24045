"""The guided filter: a coarse map takes the edges of an image (He, Sun, Tang, TPAMI 2013; fast: arXiv 1505.00996)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

__all__ = ["fitted_to_edges", "guided_filter", "otsu_threshold"]

Floats = NDArray[np.float64]


def guided_filter(guide: Floats, values: Floats, radius: int, eps: float = 1e-4) -> tuple[Floats, Floats]:
    """Return the linear model of the values by the guide's colors, averaged over windows (eq. 19 of the paper).

    Args:
        guide: The image (H, W, 3) in [0, 1].
        values: The map to be filtered (H, W).
        radius: Of the square windows, in pixels; 1 or more.
        eps: Variance of color below which a window counts as flat.

    Returns:
        Slopes (H, W, 3) and offsets (H, W): the filtered map is ``(slopes * guide).sum(-1) + offsets``.
    """
    mean, mean_values = _box(guide, radius), _box(values, radius)
    covariance = _box(guide[..., :, None] * guide[..., None, :], radius) - mean[..., :, None] * mean[..., None, :]
    with_values = _box(guide * values[..., None], radius) - mean * mean_values[..., None]
    slopes = np.linalg.solve(covariance + eps * np.eye(3), with_values[..., None])[..., 0].astype(np.float64)
    offsets = mean_values - (slopes * mean).sum(-1)
    return _box(slopes, radius), _box(offsets, radius)


def fitted_to_edges(image: Image.Image, values: Floats, radius: int, eps: float = 1e-4, working: int = 1024) -> Floats:
    """Return a map of an image's size whose edges are the image's.

    The model of map by color is made at a smaller size and applied at full size, so that a photograph of many
    megapixels costs little more than a small one.

    Args:
        image: The image, RGB.
        values: A map of the same view, of any size, (h, w) in [0, 1].
        radius: Of the windows, in pixels of the image.
        eps: Variance of color below which a window counts as flat.
        working: Longer side, in pixels, at which the model is made.

    Returns:
        (H, W) in [0, 1].
    """
    size = image.size
    scale = min(1.0, working / max(size))
    small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    guide = np.asarray(image.convert("RGB").resize(small, Image.Resampling.BOX), np.float64) / 255
    slopes, offsets = guided_filter(guide, _resized(values, small), max(1, round(radius * scale)), eps)
    full = np.asarray(image.convert("RGB"), np.float32) / 255
    filtered = _resized(offsets, size)
    for channel in range(3):
        filtered += _resized(slopes[..., channel], size) * full[..., channel]
    return np.clip(filtered, 0, 1)


def otsu_threshold(values: Floats, bins: int = 256) -> float:
    """Return the value that parts a map into the two classes of least variance inside them (Otsu 1979).

    Args:
        values: Any shape, in [0, 1].
        bins: Of the histogram.
    """
    counts, edges = np.histogram(values, bins=bins, range=(0.0, 1.0))
    centers = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * centers)
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    between = np.nan_to_num(between)
    best = np.flatnonzero(between == between.max())  # a plateau between two peaks: its middle
    return float(edges[1 + round(float(best.mean()))])


def _box(values: Floats, radius: int) -> Floats:
    size = (2 * radius + 1, 2 * radius + 1, *(1,) * (values.ndim - 2))
    filtered: Floats = uniform_filter(values, size=size, mode="nearest")
    return filtered


def _resized(values: Floats, size: tuple[int, int]) -> Floats:
    image = Image.fromarray(values.astype(np.float32), mode="F")
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float64)
