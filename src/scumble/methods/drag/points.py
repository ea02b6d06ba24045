"""Pairs of points: this point goes there. Checked at the door, then carried to the grid that is worked on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scumble.errors import InputError

if TYPE_CHECKING:
    pass

__all__ = ["PointPair", "flat_points", "pairs_of", "parse_points"]


@dataclass(frozen=True)
class PointPair:
    """A handle and its target: (x, y) in pixels of the image; the center of the first pixel is (0, 0)."""

    handle: tuple[float, float]
    target: tuple[float, float]

    @property
    def distance(self) -> float:
        """How far the handle is dragged, in pixels of the picture."""
        return math.dist(self.handle, self.target)


def flat_points(value: Any) -> Any:
    """Return points as four numbers a pair, from ``((x, y), (x, y))`` pairs; anything else as it is."""
    if not isinstance(value, Iterable) or isinstance(value, str):
        return value
    flat = []
    for one in value:
        if isinstance(one, PointPair):
            one = (*one.handle, *one.target)
        elif isinstance(one, Sequence) and len(one) == 2 and all(isinstance(p, Sequence) for p in one):
            one = (*one[0], *one[1])
        flat.append(one)
    return tuple(flat)


def parse_points(sources: Sequence[str], targets: Sequence[str]) -> tuple[tuple[float, float, float, float], ...]:
    """Read ``120,80`` words, as many sources as targets.

    Raises:
        InputError: For unequal numbers, no pair at all, or a word that is no point.
    """
    if len(sources) != len(targets):
        raise InputError(
            f"{len(sources)} points to drag from, but {len(targets)} to drag to: give every --from x,y its --to x,y"
        )
    if not sources:
        raise InputError("no points were given: say where to drag with --from x,y --to x,y (pixels of the picture)")
    return tuple((*_point(a, "--from"), *_point(b, "--to")) for a, b in zip(sources, targets, strict=True))


def _point(word: str, flag: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in word.split(","))
    except ValueError as error:
        raise InputError(f"{flag} {word!r} is no point: write x,y in pixels, for example {flag} 120,80") from error
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(f"{flag} {word!r} is no point: both numbers must be finite")
    return x, y


def pairs_of(points: Sequence[tuple[float, float, float, float]], size: tuple[int, int]) -> tuple[PointPair, ...]:
    """Check points against a picture of ``size`` (width, height).

    Raises:
        InputError: For no pair, a point outside the picture, a number that is none, or a pair that goes nowhere.
    """
    if not points:
        raise InputError("no points were given: name at least one pair, where to drag from and where to")
    pairs = []
    for k, (x0, y0, x1, y1) in enumerate(points):
        for what, x, y in (("handle", x0, y0), ("target", x1, y1)):
            if not (math.isfinite(x) and math.isfinite(y)):
                raise InputError(f"the {what} of pair {k + 1} is no point: ({x:g}, {y:g})")
            if not (-0.5 <= x <= size[0] - 0.5 and -0.5 <= y <= size[1] - 0.5):
                raise InputError(
                    f"the {what} of pair {k + 1}, ({x:g}, {y:g}), is outside the picture of {size[0]}x{size[1]} pixels"
                )
        if (x0, y0) == (x1, y1):
            raise InputError(
                f"pair {k + 1} goes from ({x0:g}, {y0:g}) to the same place: give another target or leave it out;"
                " to hold a place, leave it black in the mask"
            )
        pairs.append(PointPair((x0, y0), (x1, y1)))
    return tuple(pairs)
