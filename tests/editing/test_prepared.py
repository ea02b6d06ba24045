"""What goes into one run: a window of the image and of its map, at the model's size."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from scumble.editing.prepared import Prepared, prepare
from scumble.editing.windows import whole_part
from tests.support.blended import tiny_ddpm


def prepared(picture: Image.Image, change: torch.Tensor | None = None) -> Prepared:
    pixels = np.asarray(picture.convert("RGB"))
    return prepare(tiny_ddpm(), whole_part(tiny_ddpm(), picture.size, change), pixels)


def test_the_image_and_its_map_come_at_the_models_size(picture: Image.Image) -> None:
    seen = prepared(picture.resize((30, 27)), torch.full((1, 1, 27, 30), 0.5))
    assert seen.image is not None and seen.small_change is not None
    assert seen.image.shape[1:] == (3, *seen.window.size[::-1])
    assert seen.small_change.shape[2:] == seen.image.shape[2:]
    assert float(seen.small_change.min()) == float(seen.small_change.max()) == 0.5


def test_without_a_map_everything_may_change(picture: Image.Image) -> None:
    seen = prepared(picture.resize((32, 32)))
    assert seen.change is None and seen.small_change is None
    assert seen.original is not None
