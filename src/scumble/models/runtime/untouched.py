"""Whether a network is as it was loaded: no hooks, no adapters, no foreign attention."""

from __future__ import annotations

from torch import nn

from scumble.models.attention import PlainAttention, replaceable

__all__ = ["is_untouched", "state_version"]


def is_untouched(network: nn.Module) -> bool:
    """Return whether calling the network would run its own layers and nothing else.

    False while taps are attached, a module's ``forward`` is replaced, or adapters (LoRA) are loaded. Looking costs
    some microseconds a layer.
    """
    if getattr(network, "peft_config", None):
        return False
    for module in network.modules():
        if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
            return False
        processor = getattr(module, "processor", None)
        if processor is not None and not replaceable(processor):
            return False
        if isinstance(processor, PlainAttention) and processor.layers:
            return False
    return True


def state_version(network: nn.Module) -> tuple[int, int]:
    """Return a number that changes whenever a weight is written to or replaced in memory."""
    parameters = list(network.parameters())
    return sum(p._version for p in parameters), hash(tuple(p.data_ptr() for p in parameters))
