"""The words of the still-life world: every attribute an object, a floor or a sky can have."""

from __future__ import annotations

from collections.abc import Iterable

from scumble.errors import InputError, nearest

SHAPES: tuple[str, ...] = ("sphere", "cube", "cylinder", "cone", "torus")
MATERIALS: tuple[str, ...] = ("matte", "metal", "striped")
FLOORS: tuple[str, ...] = ("plain", "checkered", "wooden", "grass", "sand", "snow", "water")
SKIES: tuple[str, ...] = ("day", "sunset", "night", "overcast")

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (215, 35, 35),
    "orange": (242, 120, 15),
    "yellow": (250, 215, 25),
    "green": (35, 155, 60),
    "cyan": (40, 200, 212),
    "blue": (40, 75, 215),
    "purple": (140, 50, 190),
    "white": (240, 240, 240),
}
"""Object colours as sRGB bytes."""

SIZES: dict[str, float] = {"small": 0.62, "large": 1.0}
"""Scale of an object; a large sphere is 1.76 world units across."""


def check_word(what: str, word: object, known: Iterable[str]) -> str:
    """Return `word` if it is one of the `known` ones.

    Raises:
        InputError: naming the nearest known words.
    """
    words = list(known)
    if isinstance(word, str) and word in words:
        return word
    raise InputError(f"unknown {what} {word!r}{nearest(str(word), words)}: known are {', '.join(words)}")
