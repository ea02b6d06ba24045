"""Losses: cells that count more have their share of the loss, and the figure that is logged knows nothing of it."""

from __future__ import annotations

import torch

from scumble_lab.training.instruct import edited_cells
from scumble_lab.training.losses import denoising_loss


def test_the_mean_weight_is_one_and_an_edited_cell_counts_more() -> None:
    before, after = torch.zeros(2, 4, 8, 8), torch.zeros(2, 4, 8, 8)
    after[0, 2, :4] = 1.0
    focus = edited_cells(before, after, 8.0)
    torch.testing.assert_close(focus.mean((1, 2, 3)), torch.ones(2))
    torch.testing.assert_close(focus[0, 0, 0, 0] / focus[0, 0, 7, 0], torch.tensor(9.0))
    assert (focus[1] == 1).all()


def test_focus_moves_the_loss_to_its_cells_and_leaves_the_logged_error() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, noise, wrong = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(3))
    wrong[:, :, 4:] = 0
    abar, t = torch.linspace(0.99, 0.01, 100), torch.tensor([30, 70])
    after = torch.zeros_like(x0)
    after[:, :, :4] = 1.0
    focus = edited_cells(torch.zeros_like(x0), after, 8.0)
    plain, figures = denoising_loss(lambda x, t: noise + wrong, x0, t, noise, abar, 5.0)
    focused, same = denoising_loss(lambda x, t: noise + wrong, x0, t, noise, abar, 5.0, focus=focus)
    torch.testing.assert_close(focused, plain * focus[0, 0, 0, 0])
    assert torch.equal(figures["mse"], same["mse"])
