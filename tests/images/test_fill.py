"""A hole filled from around it: nothing of it is left, nothing else changes."""

from __future__ import annotations

import pytest
import torch

from scumble.images import filled


def pictures(size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    known = torch.ones(size)
    known[5:17, 3:14] = 0
    return image, known


@pytest.mark.parametrize("size", [(32, 32), (23, 37)])
def test_known_places_stay_and_what_was_in_the_hole_has_no_influence(size: tuple[int, int]) -> None:
    image, known = pictures(size)
    found = filled(image, known)
    assert torch.equal(found[:, known > 0], image[:, known > 0])
    other = torch.where(known > 0, image, torch.full_like(image, 9.0))
    assert torch.equal(filled(other, known), found)
    assert float(found.max()) <= float(image.max()) and float(found.min()) >= float(image.min())


def test_a_plain_picture_is_whole_again() -> None:
    _, known = pictures((32, 32))
    plain = torch.full((3, 32, 32), 0.25)
    torch.testing.assert_close(filled(torch.where(known > 0, plain, torch.ones(())), known), plain)


def test_without_a_hole_it_is_the_picture() -> None:
    image, _ = pictures((32, 32))
    assert torch.equal(filled(image, torch.ones(32, 32)), image)
