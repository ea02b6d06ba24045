"""Activations of a network read, overwritten or made leaves from outside, with nothing left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from scumble.errors import MethodError, nearest
from scumble.models.attention import open_attention, replaceable
from scumble.models.sites import Site, sites

__all__ = ["Site", "Tap", "attached", "module_at", "sites"]


@dataclass(frozen=True)
class Tap:
    """A function that sees one activation each time the network computes it.

    Attributes:
        site: Path of a module in the network: ``mid_block``, ``up_blocks.1.resnets.1``, ``….attn1.to_q``.
        fn: Given the tensor; returns None (it only read) or the tensor to go on with. Where the network returns
            several tensors it is given the first. With gradients enabled the tensor carries its graph, and a
            returned tensor that requires a gradient becomes part of it.
        what: ``output`` of the module, or the ``probs`` (B, heads, queries, keys; float32) of an attention module.
    """

    site: str
    fn: Callable[[Tensor], Tensor | None]
    what: Literal["output", "probs"] = "output"


@contextmanager
def attached(denoiser: nn.Module, taps: Sequence[Tap]) -> Iterator[nn.Module]:
    """Attach taps for the duration of a ``with`` block; several at one site run in the order of the list.

    Attention probabilities are materialised in the modules that a tap names, the others keep their fused path.
    On leaving, also by an exception, the network is exactly as it was. Blocks may be nested, and left in any order.

    Raises:
        MethodError: If a site does not exist, or ``probs`` are asked of a module without plain attention.
    """
    with ExitStack() as stack:
        for site, fns in _grouped(taps, "output").items():
            module = module_at(denoiser, site)
            for fn in fns:
                stack.callback(module.register_forward_hook(_hook(fn)).remove)
        for site, fns in _grouped(taps, "probs").items():
            stack.enter_context(_plain_attention(denoiser, site, fns))
        yield denoiser


def module_at(denoiser: nn.Module, site: str) -> nn.Module:
    """Return the module at a path.

    Raises:
        MethodError: If there is none; names the nearest paths.
    """
    try:
        if site:
            return denoiser.get_submodule(site)
    except AttributeError:
        pass
    raise MethodError(f"the network has no module {site!r}{nearest(site, dict(denoiser.named_modules()))}")


def _grouped(taps: Sequence[Tap], what: str) -> dict[str, list[Callable[[Tensor], Tensor | None]]]:
    groups: dict[str, list[Callable[[Tensor], Tensor | None]]] = {}
    for tap in taps:
        if tap.what == what:
            groups.setdefault(tap.site, []).append(tap.fn)
    return groups


def _hook(fn: Callable[[Tensor], Tensor | None]) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            return fn(output)
        replacement = fn(output[0])
        return None if replacement is None else (replacement, *output[1:])

    return hook


@contextmanager
def _plain_attention(
    denoiser: nn.Module, site: str, fns: Sequence[Callable[[Tensor], Tensor | None]]
) -> Iterator[None]:
    module: Any = module_at(denoiser, site)
    processor = getattr(module, "processor", None)
    if processor is None or not hasattr(module, "to_q"):
        known = [name for name, m in denoiser.named_modules() if hasattr(m, "processor")]
        raise MethodError(f"{site!r} is no attention module, it has no probabilities{nearest(site, known)}")
    if not replaceable(processor) or getattr(module, "fused_projections", False):
        raise MethodError(
            f"the attention of {site!r} runs through {type(processor).__name__}, whose probabilities cannot be"
            " reached; use the model without it (unload IP-Adapters, unfuse projections)"
        )
    end = open_attention(module, fns)
    try:
        yield
    finally:
        end()
