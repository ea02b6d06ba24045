"""`python -m scumble_lab.limits`: fails where the checkout or its weights have grown too large; `make lint` runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["TREE", "WEIGHTS", "check", "tracked"]

TREE = 96_000_000
"""Bytes of all files in version control."""

WEIGHTS = 72_000_000
"""Bytes of the models in the package."""


def tracked(root: Path) -> list[Path]:
    """The files of the checkout at ``root`` that are in version control; all of its files where it has none."""
    try:
        names = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return [path for path in root.rglob("*") if path.is_file()]
    return [root / name for name in names.stdout.split("\0") if name and (root / name).is_file()]


def check(files: Iterable[Path], tree: int = TREE, weights: int = WEIGHTS) -> list[str]:
    """What is too large, in one line each, with its five largest files."""
    sizes = {path: path.stat().st_size for path in files}
    groups = {
        "the tree": (sizes, tree),
        "bundled weights": ({path: size for path, size in sizes.items() if "bundled" in path.parts}, weights),
    }
    faults = []
    for name, (group, limit) in groups.items():
        if (total := sum(group.values())) > limit:
            largest = sorted(((size, path.name) for path, size in group.items()), reverse=True)[:5]
            names = ", ".join(f"{file} {size / 1e6:.1f}" for size, file in largest)
            faults.append(f"{name}: {total / 1e6:.1f} MB, at most {limit / 1e6:.0f} MB; the largest: {names}")
    return faults


if __name__ == "__main__":
    problems = check(tracked(Path(__file__).resolve().parents[2]))
    sys.exit("\n".join(problems) if problems else 0)
