"""Pictures and tensors: exact in both directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.errors import ScumbleError
from scumble.images import load_image, to_bytes, to_image, to_tensor

ALL = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_all_levels_survive_the_round_trip() -> None:
    image = Image.merge("RGB", [Image.fromarray(plane) for plane in (ALL, ALL.T.copy(), 255 - ALL)])
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 16, 16) and tensor.dtype == torch.float32
    assert tensor.min() == -1.0 and tensor.max() == 1.0
    assert (np.asarray(to_image(tensor)[0]) == np.asarray(image)).all()
    assert torch.equal(to_tensor(load_image(image)), tensor)


def test_values_are_rounded_half_to_even_and_clamped() -> None:
    levels = torch.tensor([0.5, 1.5, 2.5, 100.6, 300.0, -3.0])
    tensor = (levels.double() / 127.5 - 1.0).float()[None, None, None].repeat(1, 3, 1, 1)
    exact = ((tensor[0, 0, 0] + 1.0) * 127.5).tolist()
    assert to_bytes(tensor)[0, 0, 0].tolist() == [min(max(round(value), 0), 255) for value in exact]


def test_a_batch_gives_one_picture_each_and_bytes_pass_through() -> None:
    batch = torch.randint(0, 256, (3, 3, 4, 5), dtype=torch.uint8)
    images = to_image(batch)
    assert [image.size for image in images] == [(5, 4)] * 3
    assert all((np.asarray(i) == row.permute(1, 2, 0).numpy()).all() for i, row in zip(images, batch, strict=True))


def test_values_that_are_not_numbers_are_not_hidden_as_black() -> None:
    with pytest.raises(ScumbleError, match="bfloat16"):
        to_image(torch.full((1, 3, 2, 2), float("nan")))
