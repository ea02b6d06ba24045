"""A network is left as soon as what was wanted of it is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scumble.models.early_exit import early_exit, reading, reading_until_complete
from scumble.models.taps import attached


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.third(self.second(self.first(x)))


def test_nothing_runs_behind_the_last_activation_that_is_read() -> None:
    net, ran, into = Counting(), [], dict[str, Tensor]()
    for name, module in net.named_children():
        module.register_forward_pre_hook(lambda module, args, name=name: ran.append(name))
    with attached(net, reading_until_complete(["second", "first"], into)), early_exit():
        net(torch.ones(1, 2))
    assert ran == ["first", "second"] and into.keys() == {"first", "second"}


def test_reading_alone_lets_the_network_finish() -> None:
    net, into = Counting(), dict[str, Tensor]()
    with attached(net, reading(["first"], into)):
        assert torch.equal(net(torch.ones(1, 2)), net.third(net.second(into["first"])))


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"), early_exit():
        Counting()(torch.ones(1, 3))
