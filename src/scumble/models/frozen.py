"""A network whose parameters take no part in gradients for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["frozen"]


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let no parameter take part in gradients for a while: its graph is not kept, its gradient not computed."""
    trained = [p for p in network.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
