"""Matching the colors of an edit to the picture around it, without moving what crosses the border."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["match_border"]

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

RING = 16
"""Width in pixels of the ring outside the mask whose colors tell the bias."""
SLOPES = (0.8, 1.25)
"""Smallest and largest contrast that a bias may have."""
BAND = 3
"""Width in pixels of the two bands whose difference is the jump."""
ALONG = 5.0
"""Sigma over which the jump is averaged along the border."""
JUMP = (0.06, 0.08)
"""Jumps up to the first are errors of tone, from the sum of both on they are things that the border cuts."""
SWEEPS = 30
GRAIN = (0.03, 0.04)
"""The same of a single pixel's step, where an autoencoder errs by less."""
FINE = 0.7
"""Share of what is left between two pixels across the border that is taken away: the rest is the picture's own."""
FADES = 2.0
"""Pixels over which that fades in the mask."""


def match_border(result: Plane, small: Plane, inside: Mask) -> tuple[Plane, float]:
    """Return the result with its tone matched at the mask's border, and the largest change inside.

    First a bias: the affine change of each color that brings the ring outside the mask back to the picture. Then the
    jump that is left across the border, where it is small enough to be one of tone, carried harmonically into the mask
    (the membrane of Perez et al. 2003, with clipped boundary values).

    Args:
        result: (h, w, 3) in [0, 1].
        small: The untouched picture, likewise.
        inside: (h, w), the mask. Outside of it nothing changes.
    """
    from scipy import ndimage

    if not inside.any() or inside.all():
        return result, 0.0
    outside = ndimage.distance_transform_edt(~inside)
    ring = (outside > 0) & (outside <= RING)
    matched = np.where(inside[..., None], _unbiased(result, small, ring), result)
    depth = ndimage.distance_transform_edt(inside)
    inner, outer = (depth > 0) & (depth <= BAND), (outside > 0) & (outside <= BAND)
    jump = _mean(matched, inner) - _mean(small, outer)
    size = np.abs(jump).max(axis=-1)
    jump *= (1.0 - _smooth((size - JUMP[0]) / JUMP[1]))[..., None]
    border = inside & (depth < 1.5)
    toned = matched - _harmonic(jump, border, inside)
    toned = toned - _fine(toned, small, inside, border)
    matched = np.where(inside[..., None], toned, result).astype(np.float32)
    return matched, float(np.abs(matched - result).max())


def _fine(toned: Plane, small: Plane, inside: Mask, border: Mask) -> Plane:
    """What an autoencoder leaves pixel by pixel across the border, fading into the mask.

    It does not give fine detail back exactly, so its picture and the untouched one differ from pixel to pixel where
    they meet, and the line shows. Where the two differ by more than that, a thing is cut, and nothing is moved.
    """
    from scipy import ndimage

    unchanged = (~inside)[..., None].astype(np.float32)
    count = _neighbors(unchanged)
    beside = _neighbors(small * unchanged) / np.maximum(count, 1.0)
    step = np.where(border[..., None] & (count > 0), toned - beside, 0.0)
    step *= FINE * (1.0 - _smooth((np.abs(step).max(axis=-1) - GRAIN[0]) / GRAIN[1]))[..., None]
    depth, nearest = ndimage.distance_transform_edt(~border, return_indices=True)
    return np.asarray(step[nearest[0], nearest[1]] * np.exp(-depth / FADES)[..., None], np.float32)


def _unbiased(result: Plane, small: Plane, ring: Mask) -> Plane:
    shifted, wanted = result[ring].astype(np.float64), small[ring].astype(np.float64)
    spread = shifted.var(axis=0)
    shared = ((shifted - shifted.mean(axis=0)) * (wanted - wanted.mean(axis=0))).mean(axis=0)
    slope = np.clip(np.where(spread > 1e-6, shared / np.maximum(spread, 1e-6), 1.0), *SLOPES)
    return ((result - shifted.mean(axis=0)) * slope + wanted.mean(axis=0)).astype(np.float32)


def _mean(image: Plane, where: Mask) -> Plane:
    """Mean along the border of the pixels of a band."""
    from scipy import ndimage

    weight = ndimage.gaussian_filter(where.astype(np.float32), ALONG)
    total = ndimage.gaussian_filter(image * where[..., None].astype(np.float32), ALONG, axes=(0, 1))
    return np.asarray(total / np.maximum(weight, 1e-6)[..., None], np.float32)


def _harmonic(values: Plane, fixed: Mask, inside: Mask) -> Plane:
    """Values that are given at ``fixed`` and harmonic in the rest of ``inside``; no flow through any other edge."""
    free = inside & ~fixed
    mean = values[fixed].mean(axis=0)
    field = np.broadcast_to(mean, values.shape).astype(np.float32)
    if min(inside.shape) > 4 and free.any():
        weight = _halved(fixed[..., None].astype(np.float32))
        coarse = (_halved(values * fixed[..., None]) / np.maximum(weight, 1e-6)).astype(np.float32)
        start = _harmonic(coarse, weight[..., 0] > 0, _halved(inside[..., None].astype(np.float32))[..., 0] > 0)
        field = np.repeat(np.repeat(start, 2, 0), 2, 1)[: inside.shape[0], : inside.shape[1]].copy()
    field = np.where(fixed[..., None], values, field)
    share = inside[..., None].astype(np.float32)
    count = np.maximum(_neighbors(share), 1.0)
    for _ in range(SWEEPS):
        field = np.where(free[..., None], _neighbors(field * share) / count, field)
    return field


def _halved(plane: Plane) -> Plane:
    height, width = plane.shape[:2]
    padded = np.pad(plane, ((0, height % 2), (0, width % 2), (0, 0)))
    return padded.reshape(padded.shape[0] // 2, 2, -1, 2, plane.shape[2]).sum(axis=(1, 3))


def _neighbors(plane: Plane) -> Plane:
    total = np.zeros_like(plane)
    total[1:] += plane[:-1]
    total[:-1] += plane[1:]
    total[:, 1:] += plane[:, :-1]
    total[:, :-1] += plane[:, 1:]
    return total


def _smooth(ramp: Any) -> Any:
    ramp = np.clip(ramp, 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)
