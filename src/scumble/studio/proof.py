"""What the page shows of a candidate, counted on the file that was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["arrival_of", "candidate_of", "counted", "shown"]


def candidate_of(result: Any, k: int) -> int:
    """Which candidate of its edit the k-th picture is."""
    return int(result.recipe_of(k).index)


def shown(result: Any, k: int, path: Path) -> dict[str, Any]:
    """What the page shows of a candidate, counted on the file that was written."""
    cost = result.cost
    report = result.reports[k] if k < len(result.reports) else {}
    image = result.images[k]
    return {
        "width": image.width,
        "height": image.height,
        "forward": cost.forward_rows,
        "backward": cost.backward_rows,
        "calls": cost.network_calls,
        "notices": list(result.notices),
        "arrival": arrival_of(report),
        "proof": _proof(result, path),
    }


def arrival_of(report: Mapping[str, Any]) -> list[float]:
    """How far each point of a drag was from its target at the end, in pixels."""
    return [float(one["arrival_error"]) for one in report.get("points") or () if "arrival_error" in one]


def _proof(result: Any, path: Path) -> dict[str, Any] | None:
    """Count the pixels of the written file that differ from the source, where they might and where they might not."""
    return None if result.source is None else counted(path, result.source.rgb, result.change_map)


def counted(path: Path, source: Any, change_map: Any) -> dict[str, Any]:
    """Count on a written file what changed.

    Args:
        path: The file.
        source: The picture that was edited, a PIL image.
        change_map: The map as the method took it, a tensor (1 or B, 1, H, W); None: all may change.
    """
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        after = np.asarray(image.convert("RGB"), np.int16)
    before = np.asarray(source.convert("RGB"), np.int16)
    difference = np.abs(after - before).max(axis=2)
    free = np.ones(difference.shape, bool) if change_map is None else change_map[0, 0].numpy() > 0
    inside = difference[free]
    return {
        "protected": int((~free).sum()),
        "changed": int((difference[~free] > 0).sum()),
        "free": int(free.sum()),
        "mean": float(inside.mean()) if inside.size else 0.0,
        "max": int(inside.max()) if inside.size else 0,
    }
