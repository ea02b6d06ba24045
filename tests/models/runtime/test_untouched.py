"""What is attached to a network is seen before the next call, however it is looked at."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from scumble.models.attention import PlainAttention
from scumble.models.runtime.untouched import Watch, is_untouched, state_version


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q = nn.Linear(2, 2)
        self.processor: Any = None


def network() -> Any:
    return nn.Sequential(nn.Linear(2, 2), Attention())


def adapted(net: Any) -> None:
    net.peft_config = {"default": None}


def with_module(net: Any) -> None:
    del net[1].processor
    net[1].add_module("processor", net[0])


ATTACHED: dict[str, Callable[[Any], object]] = {
    "adapter": adapted,
    "forward": lambda net: setattr(net[0], "forward", lambda x: x),
    "foreign attention": lambda net: setattr(net[1], "processor", object()),
    "foreign attention, a module": with_module,
    "hook": lambda net: net[0].register_forward_hook(lambda *args: None),
    "looking at attention": lambda net: setattr(net[1], "processor", PlainAttention([lambda p: None])),
    "replaced layer with a hook": lambda net: net.insert(1, hooked()),
}


def hooked() -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda *args: None)
    return layer


@pytest.mark.parametrize("what", sorted(ATTACHED))
def test_what_is_attached_is_seen(what: str) -> None:
    net, watch = network(), Watch()
    assert watch.is_untouched(net)
    assert is_untouched(net)
    ATTACHED[what](net)
    assert not watch.is_untouched(net)
    assert not is_untouched(net)


CHANGED: dict[str, Callable[[Any], object]] = {
    "another layer": lambda net: net.__setitem__(0, nn.Linear(2, 2)),
    "another parameter": lambda net: setattr(net[0], "weight", nn.Parameter(net[0].weight.detach().clone())),
    "other storage": lambda net: setattr(net[0].weight, "data", net[0].weight.detach().clone()),
    "written to": lambda net: net[0].weight.mul_(2),
}


@pytest.mark.parametrize("what", sorted(CHANGED))
def test_changed_weights_are_seen(what: str) -> None:
    net, watch = network(), Watch()
    kept = list(net.parameters())  # so that nothing new can lie where something old lay
    before = watch.version(net)
    assert before == state_version(net)
    with torch.no_grad():
        CHANGED[what](net)
    gc.collect()
    assert watch.version(net) == state_version(net) != before
    assert kept
