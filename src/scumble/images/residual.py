"""Detail that survives an edit: what the model could not see of a picture, given back where the edit follows it.

Let E be what the autoencoder loses at the model's size and D what the picture has beyond that size. Where nothing is
new the best result is the model's plus E and D; under new content the same sum is a ghost of the old. So both are
multiplied by a gain: the local regression of what the model made on what it makes of the untouched window, times how
well that explains it. Everything is float32 in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["LARGE", "RULE", "Plane", "Rule", "Surviving", "restored", "surviving"]

Plane = npt.NDArray[np.float32]

LARGE = 4_000_000
"""Above this many changed pixels of the picture one gain serves all colors: it takes half the time."""


@dataclass(frozen=True)
class Rule:
    """The thresholds of the rule; distances in pixels of the model, colors in [0, 1].

    Attributes:
        near: Sigma of the Gaussian windows in which regression is local.
        wide: Sigma of the window in which colors are compared.
        grain: Standard deviation that counts as noise.
        alike: Difference of colors at which E is given back by 1/e only.
        ridge: Pull of the 3 x 3 slope towards one slope for all colors, in units of the variance.
        steepest: Largest gain.
        fit: Correlation below which nothing comes back, and the width to full gain.
        weak: Strength up to which everything comes back, and the width to the rule.
        other: Difference of colors from which a weak edit counts as new content all the same, and the width to that:
            models invent things at strengths from 0.3 on, and of what they replaced a ring would stay.
    """

    near: float = 1.5
    wide: float = 2.0
    grain: float = 3 / 255
    alike: float = 0.15
    ridge: float = 0.3
    steepest: float = 1.5
    fit: tuple[float, float] = (0.5, 0.4)
    weak: tuple[float, float] = (0.25, 0.35)
    other: tuple[float, float] = (0.06, 0.12)


RULE = Rule()


@dataclass(frozen=True)
class Surviving:
    """What of the source belongs into a result.

    Attributes:
        settled: The result at the model's size (h, w, 3), with what the autoencoder lost of it where colors agree.
        gain: How much of the finer detail comes back: (h, w, 3, 3), or (h, w) with one gain for all colors.
    """

    settled: Plane
    gain: Plane


def surviving(
    result: Plane,
    rebuilt: Plane,
    small: Plane,
    strength: Plane | float,
    fresh: npt.NDArray[np.bool_] | None = None,
    mixing: bool = True,
    rule: Rule = RULE,
) -> Surviving:
    """Decide how much of the source comes back.

    Args:
        result: What the model made (h, w, 3).
        rebuilt: What the model makes of the untouched window, decode(encode(small)).
        small: The untouched window at the model's size.
        strength: How strongly the edit acts, (h, w) or one number: where it is weak, everything comes back.
        fresh: (h, w), where there is no source: what is there was filled in and lends no detail.
        mixing: Whether the gain may mix colors (a recolored texture); one gain for all of them otherwise.
        rule: The thresholds.
    """
    eps = rule.grain**2
    agree = np.exp(-(((_blur(result - rebuilt, rule.wide) ** 2).mean(-1)) / rule.alike**2))[..., None]
    made_mean, source_mean = _blur(result, rule.near), _blur(rebuilt, rule.near)
    cross = _covariance(result, rebuilt, made_mean, source_mean, rule.near)
    variance = _covariance(rebuilt, rebuilt, source_mean, source_mean, rule.near)
    spread = _blur((result**2).sum(-1), rule.near) - (made_mean**2).sum(-1)
    level = np.trace(variance, axis1=2, axis2=3) / 3
    shared = np.trace(cross, axis1=2, axis2=3) / 3
    slope = np.clip((shared + eps * agree[..., 0]) / (level + eps), 0.0, rule.steepest)
    floor = eps * agree[..., 0]
    if mixing:
        ridge = rule.ridge * level + eps
        eye = np.eye(3, dtype=np.float32)
        matrix = (cross + (ridge * slope)[..., None, None] * eye) @ _inverse(variance + ridge[..., None, None] * eye)
        matrix = np.clip(matrix, -rule.steepest, rule.steepest)
        carried = (matrix @ variance * matrix).sum((2, 3))
        explained = (2 * (matrix * cross).sum((2, 3)) - carried + floor) / (np.maximum(spread, 0.0) + eps)
    else:
        eye, matrix = np.ones((1, 1), dtype=np.float32), slope
        explained = (6 * slope * shared - 3 * slope**2 * level + floor) / (np.maximum(spread, 0.0) + eps)
    trust = _smooth((np.sqrt(np.clip(explained, 0.0, 1.0)) - rule.fit[0]) / rule.fit[1])
    keep = 1.0 - _smooth((np.asarray(strength, np.float32) - rule.weak[0]) / rule.weak[1])
    distance = np.sqrt(_blur(((result - rebuilt) ** 2).mean(-1), rule.wide))
    keep = keep * (1.0 - _smooth((distance - rule.other[0]) / rule.other[1]))
    present = 1.0 if fresh is None else (~fresh).astype(np.float32)
    follow = (1.0 - keep) * trust * present
    if mixing:
        gain = (keep * present)[..., None, None] * eye + follow[..., None, None] * matrix
        colors = (keep * present)[..., None, None] * eye + (follow[..., None] * agree)[..., None] * matrix
        lost = (colors @ (small - rebuilt)[..., None])[..., 0]
    else:
        gain = keep * present + follow * matrix
        lost = (keep * present + follow * agree[..., 0] * matrix)[..., None] * (small - rebuilt)
    return Surviving((result + lost).astype(np.float32), gain.astype(np.float32))


def restored(part: Surviving, small: Plane, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the result at the picture's size (H, W, 3), with the finer detail that survives.

    Where the gain is 1 and the result is the source this is the picture byte for byte, and where it is 0 the enlarged
    result.

    Args:
        part: From :func:`surviving`.
        small: The untouched window at the model's size (h, w, 3).
        picture: The untouched window at the picture's size (H, W, 3).
    """
    height, width = picture.shape[:2]
    if small.shape[:2] == (height, width):
        return _bytes(part.settled)
    mixing = part.gain.ndim == 4
    change = part.settled - small
    less = part.gain - np.eye(3, dtype=np.float32) if mixing else part.gain - 1.0
    detail = [
        picture[..., k].astype(np.float32) / 255.0 - _enlarged(small[..., k], (width, height), Image.Resampling.LANCZOS)
        for k in range(3)
    ]
    out = np.empty_like(picture)
    common = None if mixing else _enlarged(less, (width, height), Image.Resampling.BILINEAR)
    for k in range(3):
        plane = _enlarged(change[..., k], (width, height), Image.Resampling.LANCZOS)
        plane += picture[..., k].astype(np.float32) / 255.0
        if common is not None:
            plane += common * detail[k]
        else:
            for j in range(3):
                plane += _enlarged(less[..., k, j], (width, height), Image.Resampling.BILINEAR) * detail[j]
        out[..., k] = _bytes(plane)
    return out


def _covariance(one: Plane, other: Plane, mean: Plane, other_mean: Plane, sigma: float) -> Plane:
    product = _blur((one[..., :, None] * other[..., None, :]).reshape(*one.shape[:2], 9), sigma)
    return product.reshape(*one.shape[:2], 3, 3) - mean[..., :, None] * other_mean[..., None, :]


def _inverse(matrix: Plane) -> Plane:
    """Inverse of symmetric positive (..., 3, 3): the cross products of its rows over its determinant."""
    first, second, third = (matrix[..., k, :] for k in range(3))
    rows = np.stack([np.cross(second, third), np.cross(third, first), np.cross(first, second)], axis=-1)
    determinant = (first * np.cross(second, third)).sum(-1)
    return np.asarray(rows / determinant[..., None, None], np.float32)


def _blur(plane: Plane, sigma: float) -> Plane:
    from scipy import ndimage

    axes = (0, 1)
    return np.asarray(ndimage.gaussian_filter(plane.astype(np.float32), sigma, truncate=3.0, axes=axes), np.float32)


def _smooth(ramp: Any) -> Plane:
    ramp = np.clip(ramp, 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp), np.float32)


def _enlarged(plane: Plane, size: tuple[int, int], how: Image.Resampling) -> Plane:
    return np.array(Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(size, how))


def _bytes(values: Plane) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
