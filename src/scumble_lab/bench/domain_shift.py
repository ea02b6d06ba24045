"""What photographs have and renders have not: a veil over a case's pictures that no bundled model was trained on.

The bundled models know their world so well that it flatters some methods: DDIM inversion, whose error is how badly the
model predicts the picture, is almost exact there. Laid over the source and the true result alike, a veil takes that
away and leaves the truth known. What is asked for stays the same; a good edit keeps the veil.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scumble.errors import InputError, nearest
from scumble_lab.bench.case import Sample

__all__ = ["VEILS", "veiled"]

Lay = Callable[[Image.Image], Image.Image]


def _dappled(rng: np.random.Generator, size: tuple[int, int]) -> Lay:
    """Patches of light and shadow, as under a tree: 0.6 to 1.4 times as bright, from 9x9 draws smoothed between."""
    patches = Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    light = 0.6 + 0.8 * np.asarray(patches, dtype=np.float64)[..., None] / 255
    return lambda image: _picture(np.asarray(image, dtype=np.float64) * light)


def _grain(rng: np.random.Generator, size: tuple[int, int]) -> Lay:
    """Grey film grain of a standard deviation of 14 of 255."""
    noise = rng.normal(0, 14, (size[1], size[0], 1))
    return lambda image: _picture(np.asarray(image, dtype=np.float64) + noise)


def _strokes(rng: np.random.Generator, size: tuple[int, int]) -> Lay:
    """Six coloured pen strokes across the picture."""
    fine = 4
    layer = Image.new("RGBA", (size[0] * fine, size[1] * fine))
    pen = ImageDraw.Draw(layer)
    way = np.linspace(0, 1, 30)[:, None]
    for _ in range(6):
        a, b, c, d = rng.uniform(0, 1, (4, 2)) * layer.size
        curve = (1 - way) ** 3 * a + 3 * way * (1 - way) ** 2 * b + 3 * way**2 * (1 - way) * c + way**3 * d
        color = (*(int(v) for v in rng.integers(0, 256, 3)), 255)
        pen.line([(float(x), float(y)) for x, y in curve], fill=color, width=round(layer.width / 32))
    ink = layer.resize(size, Image.Resampling.LANCZOS)
    return lambda image: Image.alpha_composite(image.convert("RGBA"), ink).convert("RGB")


VEILS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Lay]] = {
    "dappled": _dappled,
    "grain": _grain,
    "strokes": _strokes,
}
"""Kinds of veils by name."""


def veiled(sample: Sample, kind: str, seed: int) -> Sample:
    """The case under a veil, the same for its source and its true result; masks and words stay as they are.

    Args:
        sample: A case of the still-life world.
        kind: One of `VEILS`.
        seed: Another veil of the kind, for each case its own.

    Raises:
        InputError: for an unknown kind.
    """
    if kind not in VEILS:
        raise InputError(f"unknown veil {kind!r}{nearest(kind, tuple(VEILS))}; known: {', '.join(VEILS)}")
    rng = np.random.default_rng([seed, *sample.case.id.encode()])
    lay = VEILS[kind](rng, sample.source.size)
    target = None if sample.target is None else lay(sample.target)
    return replace(sample, source=lay(sample.source), target=target)


def _picture(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
