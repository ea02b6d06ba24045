from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from scumble.methods.drag.supervision import FeatureGrid, motion_loss, supervision_site, track


@pytest.fixture
def feature() -> torch.Tensor:
    return torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(0))


def whole(feature: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(feature[None], size=size, mode="bilinear", align_corners=False)[0]


@pytest.mark.parametrize("size", [(24, 32), (6, 8), (13, 17)])
def test_the_grid_is_the_interpolated_map(feature: torch.Tensor, size: tuple[int, int]) -> None:
    rows, columns = (torch.arange(n).float() for n in size)
    torch.testing.assert_close(FeatureGrid(feature, size).at(rows, columns), whole(feature, size))


def test_a_whole_step_equals_slicing(feature: torch.Tensor) -> None:
    grid = FeatureGrid(feature, (24, 32))
    rows, columns = torch.arange(24).float(), torch.arange(32).float()
    everything = grid.at(rows, columns)
    torch.testing.assert_close(grid.window(torch.tensor([9.0, 12.0]), 2), everything[:, 7:12, 10:15], atol=1e-6, rtol=0)


def test_between_grid_positions_it_is_linear(feature: torch.Tensor) -> None:
    grid = FeatureGrid(feature, (24, 32))
    low, high = grid.window(torch.tensor([9.0, 12.0]), 0), grid.window(torch.tensor([10.0, 12.0]), 0)
    torch.testing.assert_close(grid.window(torch.tensor([9.25, 12.0]), 0), 0.75 * low + 0.25 * high)


@pytest.mark.parametrize("centre", [(0.0, 0.0), (23.0, 31.0), (23.6, -0.4), (255.0, 1e-8)])
def test_beyond_the_border_lies_the_border(feature: torch.Tensor, centre: tuple[float, float]) -> None:
    grid = FeatureGrid(feature, (24, 32))
    window = grid.window(torch.tensor(centre), 1)
    assert window.shape == (5, 3, 3)
    near = torch.tensor([min(max(centre[0], 0), 23), min(max(centre[1], 0), 31)])
    torch.testing.assert_close(window[:, 1, 1], grid.window(near, 0)[:, 0, 0])


def test_the_loss_is_zero_where_all_features_are_equal() -> None:
    grid = FeatureGrid(torch.ones(3, 4, 4), (16, 16))
    loss = motion_loss(grid, torch.tensor([[4.0, 4.0]]), torch.tensor([[9.0, 9.0]]), radius=1, arrived=1.0)
    assert loss == 0


def test_arrived_points_are_left_out(feature: torch.Tensor) -> None:
    grid = FeatureGrid(feature, (24, 32))
    points = torch.tensor([[4.0, 4.0], [9.0, 9.0]])
    goals = torch.tensor([[4.5, 4.0], [9.0, 14.0]])
    both = motion_loss(grid, points, goals, radius=1, arrived=1.0)
    assert both == motion_loss(grid, points[1:], goals[1:], radius=1, arrived=1.0) > 0


def test_only_the_shifted_window_carries_a_gradient(feature: torch.Tensor) -> None:
    leaf = feature.clone().requires_grad_()
    grid = FeatureGrid(leaf, (6, 8))
    motion_loss(grid, torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 6.0]]), radius=0, arrived=1.0).backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum(0).nonzero().tolist() == [[1, 2]]


def test_the_last_step_is_as_long_as_what_is_left(feature: torch.Tensor) -> None:
    """The published code steps by 1 also where less is left, and so past the target."""
    grid = FeatureGrid(feature, (24, 32))
    handle, goal = torch.tensor([[9.0, 9.0]]), torch.tensor([[9.0, 9.5]])
    ours = motion_loss(grid, handle, goal, radius=1, arrived=0.1)
    half = (grid.window(handle[0], 1) - grid.window(goal[0], 1)).abs().mean() * 9
    torch.testing.assert_close(ours, half)
    published = motion_loss(grid, handle, goal, radius=1, arrived=0.1, longest=None)
    step = (grid.window(handle[0], 1) - grid.window(torch.tensor([9.0, 10.0]), 1)).abs().mean() * 9
    torch.testing.assert_close(published, step)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-3, 3), (1, 0)])
def test_tracking_finds_a_rolled_map_exactly(shift: tuple[int, int]) -> None:
    before = torch.randn(7, 20, 20, generator=torch.Generator().manual_seed(1))
    after = before.roll(shift, (1, 2))
    handles = torch.tensor([[10.0, 10.0], [5.0, 14.0]])
    first = FeatureGrid(before, (20, 20))
    found = track(FeatureGrid(after, (20, 20)), first.points(handles), handles, 3)
    assert torch.equal(found, handles + torch.tensor(shift))


def test_tracking_at_the_border_searches_what_is_there() -> None:
    before = torch.randn(7, 20, 24, generator=torch.Generator().manual_seed(1))
    grid = FeatureGrid(before, (20, 24))
    corners = torch.tensor([[0.0, 0.0], [19.0, 23.0]])
    assert torch.equal(track(grid, grid.points(corners), corners, 3), corners)
    assert torch.equal(track(grid, grid.points(corners), torch.tensor([[2.0, 3.0], [19.0, 20.0]]), 3), corners)


def test_the_supervision_layer_is_chosen_by_its_size(tiny_sd: Any) -> None:
    assert supervision_site(tiny_sd.denoiser) == "up_blocks.2"


def test_the_supervision_layer_of_other_networks() -> None:
    from diffusers import UNet2DModel

    two = UNet2DModel(
        sample_size=8, block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    assert supervision_site(two) == "up_blocks.0"
    three = UNet2DModel(
        sample_size=8, block_out_channels=(8, 8, 16), norm_num_groups=4, layers_per_block=1,
        down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3,
    )  # fmt: skip
    assert supervision_site(three) == "up_blocks.1"  # the shape of SDXL
