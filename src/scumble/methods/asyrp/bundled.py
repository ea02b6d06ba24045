"""Directions that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

from scumble.errors import InputError, nearest
from scumble.methods.asyrp.direction import Direction

__all__ = ["load_direction", "bundled_directions"]

FOLDER = Path(__file__).resolve().parents[2] / "bundled" / "asyrp"


def bundled_directions(folder: Path = FOLDER) -> dict[str, Path]:
    """Return the files of the package's directions by name; empty where it has none."""
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def load_direction(given: str, folder: Path = FOLDER) -> Direction:
    """Load a direction by its name in the package, or from a file.

    Raises:
        InputError: If it is neither a file nor a known name.
        CheckpointError: If the file is damaged, or no direction.
    """
    known = bundled_directions(folder)
    if given in known:
        return Direction.load(known[given])
    if given.endswith(".safetensors") or "/" in given:
        return Direction.load(given)
    names = ", ".join(known) or "none"
    raise InputError(
        f"there is no direction {given!r}{nearest(given, list(known))}; the package has {names}: give one of them,"
        " or the file of one made with scumble train asyrp"
    )
