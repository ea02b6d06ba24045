"""Falloff of a pull at its reach and at the edge of the mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CUT", "FADE", "Array", "Edge"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Edge:
    """Falloff of a pull at its reach and at the edge of the mask.

    Attributes:
        disc: Share of the way at squared distances from the handle, in units of the squared reach.
        rim: Factor of the share at distances from the mask's black, given the handle's own distance.
    """

    disc: Callable[[Array], Array]
    rim: Callable[[Array, float], Array]


def _smooth(ramp: Array) -> Array:
    ramp = np.clip(ramp, 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp))


def _fading_disc(squared: Array) -> Array:
    return _smooth((1.0 - np.sqrt(squared)) / (1.0 - FLAT))


def _fading_rim(depth: Array, clearance: float) -> Array:
    return _smooth((depth - 1.0) / max(clearance - 1.0, 1.0))


FLAT = 0.3
"""Share of the reach within which everything goes the whole way."""
FADE = Edge(_fading_disc, _fading_rim)
"""Exactly nothing moves at the reach and at the mask's edge, and nothing tears there."""
CUT = Edge(lambda squared: np.asarray(np.exp(-(squared**2))), lambda depth, own: np.ones_like(depth))
"""As in version 0.1: a third of the way is left at the reach, and all of it at the mask's edge."""
