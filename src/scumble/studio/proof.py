"""What the page shows of a candidate, counted on the file that was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["candidate_of", "shown"]


def candidate_of(result: Any, k: int) -> int:
    """Which candidate of its edit the k-th picture is."""
    return int(result.recipe_of(k).index)


def shown(result: Any, k: int, path: Path) -> dict[str, Any]:
    """What the page shows of a candidate, counted on the file that was written."""
    cost = result.cost
    report = result.reports[k] if k < len(result.reports) else {}
    points = report.get("points") or ()
    image = result.images[k]
    return {
        "width": image.width,
        "height": image.height,
        "forward": cost.forward_rows,
        "backward": cost.backward_rows,
        "calls": cost.network_calls,
        "notices": list(result.notices),
        "arrival": [float(one["arrival_error"]) for one in points if "arrival_error" in one],
        "proof": _proof(result, path),
    }


def _proof(result: Any, path: Path) -> dict[str, Any] | None:
    """Count the pixels of the written file that differ from the source, where they might and where they might not."""
    import numpy as np
    from PIL import Image

    if result.source is None:
        return None
    with Image.open(path) as image:
        after = np.asarray(image.convert("RGB"), np.int16)
    before = np.asarray(result.source.rgb, np.int16)
    difference = np.abs(after - before).max(axis=2)
    free = np.ones(difference.shape, bool)
    if result.change_map is not None:
        free = result.change_map[0, 0].numpy() > 0
    inside = difference[free]
    return {
        "protected": int((~free).sum()),
        "changed": int((difference[~free] > 0).sum()),
        "free": int(free.sum()),
        "mean": float(inside.mean()) if inside.size else 0.0,
        "max": int(inside.max()) if inside.size else 0,
    }
