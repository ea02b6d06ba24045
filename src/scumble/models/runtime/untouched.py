"""Check that a network is as it was loaded: no hooks, adapters, foreign attention or other weights."""

from __future__ import annotations

from operator import is_
from typing import Any

from torch import nn

from scumble.models.attention import PlainAttention, replaceable

__all__ = ["Watch", "is_untouched", "state_version"]


def is_untouched(network: nn.Module) -> bool:
    """Return whether calling the network would run its own layers and nothing else.

    False while taps are attached, a module's ``forward`` is replaced, or adapters (LoRA) are loaded.
    """
    return _Layers(network).are_plain(network)


def state_version(network: nn.Module) -> tuple[int, int]:
    """Return a number that changes whenever a weight is written to or replaced in memory."""
    return _Layers(network).version()


class Watch:
    """Looks at the same networks before every call: their layers are listed once, and anew when one was replaced.

    A tenth of the time of :func:`is_untouched` and :func:`state_version`, with the same answers.
    """

    def __init__(self) -> None:
        self._layers: dict[int, tuple[nn.Module, _Layers]] = {}

    def is_untouched(self, network: nn.Module) -> bool:
        """Return what :func:`is_untouched` does."""
        return self._of(network).are_plain(network)

    def version(self, network: nn.Module) -> tuple[int, int]:
        """Return what :func:`state_version` does."""
        return self._of(network).version()

    def _of(self, network: nn.Module) -> _Layers:
        known = self._layers.get(id(network))
        if known is None or not known[1].are_there():
            known = self._layers[id(network)] = network, _Layers(network)
        return known[1]


class _Layers:
    """The layers and parameters of a network, listed at one moment."""

    def __init__(self, network: nn.Module) -> None:
        self._attributes: list[dict[str, Any]] = [vars(module) for module in network.modules()]
        self._children = [tuple(one["_modules"].values()) for one in self._attributes]
        self._parameters = [tuple(one["_parameters"].values()) for one in self._attributes]
        self._attention = [one for one in self._attributes if "processor" in one or "processor" in one["_modules"]]
        self._weights = list({id(p): p for given in self._parameters for p in given if p is not None}.values())

    def are_there(self) -> bool:
        """Whether the network still consists of these very objects."""
        for one, children, parameters in zip(self._attributes, self._children, self._parameters, strict=True):
            present = one["_parameters"]
            if len(present) != len(parameters) or not all(map(is_, present.values(), parameters)):
                return False
            if tuple(one["_modules"].values()) != children:
                return False
        return True

    def are_plain(self, network: nn.Module) -> bool:
        """Whether nothing is attached to them."""
        if getattr(network, "peft_config", None):
            return False
        for one in self._attributes:
            if one["_forward_hooks"] or one["_forward_pre_hooks"] or "forward" in one:
                return False
        for one in self._attention:
            processor = one["processor"] if "processor" in one else one["_modules"]["processor"]
            if processor is not None and not replaceable(processor):
                return False
            if isinstance(processor, PlainAttention) and processor.layers:
                return False
        return True

    def version(self) -> tuple[int, int]:
        """How often their weights were written to, and where they lie."""
        return sum(p._version for p in self._weights), hash(tuple(p.data_ptr() for p in self._weights))
