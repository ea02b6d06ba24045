"""What the desk draws: the uncovered place of a pull is one hatched region, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from scumble.studio.desk import _hatched


def test_gaps_between_stretched_pixels_are_hatched_as_one_region_and_the_rest_stays() -> None:
    image = Image.new("RGB", (64, 64), (200, 180, 40))
    uncovered = torch.zeros(64, 64, dtype=torch.bool)
    uncovered[20:40:4, 20:40:4] = True
    touched = (np.asarray(_hatched(image, uncovered)) != np.asarray(image)).any(axis=2)
    rows, columns = np.nonzero(uncovered.numpy())
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    assert touched[box].all()
    touched[box] = False
    assert not touched.any()
