"""A picture in shades of one colour: its lights and shadows stay."""

from __future__ import annotations

import torch

from scumble.images.color import tinted

RED = torch.tensor([1.0, -1.0, -1.0])


def test_grey_of_the_region_s_mean_lightness_becomes_the_colour_itself() -> None:
    picture = torch.full((1, 3, 4, 4), 0.2)
    made = tinted(picture, RED, torch.ones(1, 1, 4, 4))
    torch.testing.assert_close(made, RED.reshape(1, 3, 1, 1).expand_as(picture))


def test_shadows_are_darker_and_lights_paler_and_all_in_range() -> None:
    picture = torch.linspace(-1, 1, 9).expand(1, 3, 1, 9)
    made = tinted(picture, RED, torch.ones(1, 1, 1, 9))
    light = made.mean((0, 1, 2))
    assert bool((light.diff() > 0).all())
    assert float(made[..., 0].max()) == -1.0  # black stays black
    assert made.min() >= -1
    assert made.max() <= 1
    assert bool((made[0, 0] >= made[0, 1]).all())


def test_only_the_region_s_lightness_counts() -> None:
    picture = torch.full((1, 3, 2, 2), -0.5)
    picture[..., 1] = 1.0
    where = torch.zeros(1, 1, 2, 2)
    where[..., 0] = 1.0
    made = tinted(picture, RED, where)
    torch.testing.assert_close(made[..., 0], RED.reshape(1, 3, 1).expand(1, 3, 2))
    assert bool((made[:, 1:, :, 1] > -1).all())
