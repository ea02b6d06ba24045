"""What a method sees of a window, and how its result comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from scumble.editing.prepared import Prepared
from scumble.images import fit, load_image
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from tests.support.blended import tiny_ddpm


def prepared(picture: Image.Image, change: Any = None) -> Prepared:
    method = SDEdit() if change is None else DifferentialDiffusion(change_map=change)
    return Prepared.of(tiny_ddpm(), load_image(picture), method, fit(*picture.size, multiple=8, native=None))


def test_the_image_and_its_map_come_at_the_models_size_and_back_at_their_own(picture: Image.Image) -> None:
    small = picture.resize((30, 27))
    seen = prepared(small, np.full((27, 30), 0.5, np.float32))
    assert seen.image is not None and seen.window_change is not None
    assert seen.image.shape == (1, 3, 32, 32)
    assert seen.window_change.shape == (1, 1, 32, 32)
    (back,) = seen.back(seen.image)
    assert np.array_equal(np.asarray(back), np.asarray(small.convert("RGB")))
    assert seen.notices


def test_only_a_map_of_zeros_leaves_nothing_to_change(picture: Image.Image) -> None:
    small, nothing = picture.resize((32, 32)), np.zeros((32, 32), np.float32)
    assert prepared(small, nothing).untouched
    nothing[3, 4] = 1
    assert not prepared(small, nothing).untouched
    assert not prepared(small).untouched


def test_each_batch_gets_the_maps_of_its_own_candidates(picture: Image.Image) -> None:
    one = prepared(picture.resize((32, 32)))
    each = Prepared(one.window, window_change=torch.arange(4.0).reshape(4, 1, 1, 1))
    shared = Prepared(one.window, window_change=torch.ones(1, 1, 1, 1))
    assert one.change_of(0, 2) is None
    part, whole = each.change_of(1, 3), shared.change_of(1, 3)
    assert part is not None and whole is not None
    assert part.flatten().tolist() == [1.0, 2.0]
    assert whole.shape[0] == 1
