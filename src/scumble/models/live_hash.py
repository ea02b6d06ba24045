"""The hash of a network that lives in a user's pipeline: weights, adapters and their strengths as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from scumble.hashing import sha256, tensors_sha256

__all__ = ["live_hash", "network_mark"]

GLANCE = 64
"""Values of a weight that are looked at."""


def live_hash(network: nn.Module) -> Callable[[], str]:
    """Return a function that gives the SHA-256 of the network as it is when it is asked.

    It is computed anew only after a weight, an adapter or an adapter's strength changed. Weights that lie elsewhere
    (offloaded) are read there; where they cannot be read it is an empty string: a finished result is worth more.
    """
    known: dict[tuple[Any, ...], str] = {}

    def current() -> str:
        mark = network_mark(network)
        if mark not in known:
            known.clear()
            known[mark] = _hash(network)
        return known[mark]

    return current


def network_mark(network: nn.Module) -> tuple[Any, ...]:
    """Return what changes whenever a weight is written to or moved, or an adapter is put on, set or taken off.

    What is written behind autograd's back (``weight.data += …``, as adapters are merged) shows in a few values of each
    weight.
    """
    weights = tuple((id(one), one.data_ptr() if not one.is_meta else 0, _version(one)) for one in network.parameters())
    glances = [_glance(one.detach()) for one in network.parameters() if not one.is_meta and one.numel()]
    return hash(weights), tuple(torch.stack(glances).tolist()) if glances else (), _strengths(network)


def _glance(weight: Tensor) -> Tensor:
    """The sum of some values spread over a weight."""
    flat = weight.reshape(-1) if weight.is_contiguous() else weight.flatten()[:GLANCE]
    return flat[:: max(1, flat.shape[0] // GLANCE)].double().sum()


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _strengths(network: nn.Module) -> tuple[str, ...]:
    """Names and strengths of the adapters that act."""
    strengths = []
    for name, module in network.named_modules():
        scaling = getattr(module, "scaling", None)
        if isinstance(scaling, dict) and hasattr(module, "active_adapters"):
            off = bool(getattr(module, "disable_adapters", False))
            strengths += [f"{name} {one} {0 if off else scaling.get(one, 0)}" for one in sorted(module.active_adapters)]
    return tuple(strengths)


def _hash(network: nn.Module) -> str:
    from scumble.hashing import state_sha256

    strengths = _strengths(network)
    try:
        if not any(one.is_meta for one in network.parameters()):
            base = state_sha256(network)
        else:
            base = tensors_sha256(dict(_offloaded(network)))
    except (KeyError, AttributeError, RuntimeError, NotImplementedError):
        return ""
    return sha256(base, "\n".join(strengths)) if strengths else base


def _offloaded(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The weights of a network whose layers accelerate's hooks fetch when they are called."""
    for name, module in network.named_modules():
        for leaf, tensor in module.named_parameters(recurse=False):
            if tensor.is_meta:
                tensor = _hook(module).weights_map[leaf]
            yield f"{name}.{leaf}", torch.as_tensor(tensor)


def _hook(module: nn.Module) -> Any:
    hook: Any = module._hf_hook
    inner = [one for one in getattr(hook, "hooks", ()) if getattr(one, "weights_map", None) is not None]
    return inner[0] if inner else hook
