"""A U-Net run in two parts: its encoder once, its decoder as often as needed.

The network's own forward does the work both times. The parts that need not run again are short-circuited from outside
to return what they returned before, and what lies behind the last wanted activation is never reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.errors import MethodError
from scumble.models.early_exit import early_exit, leave
from scumble.models.forward import denoise
from scumble.models.taps import Tap, attached, module_at

__all__ = ["EncoderCache", "decode_half", "decode_until", "encode_half"]


@dataclass(frozen=True)
class EncoderCache:
    """What the decoder of a U-Net needs of its encoder, without a graph.

    Attributes:
        x: The noisy tensor (B, C, h, w).
        t: Its time, a scalar or (B,).
        cond: What the network was told.
        stem: Output of ``conv_in``.
        down: Output of each down block: its last activation and its skip connections.
        h: Output of the mid block (B, C', h', w').
    """

    x: Tensor
    t: Tensor
    cond: Conditioning
    stem: Tensor
    down: tuple[Any, ...]
    h: Tensor


def encode_half(unet: nn.Module, x: Tensor, t: Tensor, cond: Conditioning, taps: Sequence[Tap] = ()) -> EncoderCache:
    """Run a U-Net up to and including its mid block, without gradients.

    Args:
        unet: A diffusers ``UNet2DConditionModel`` or ``UNet2DModel``.
        x: Noisy tensor (B, C, h, w).
        t: Time as :func:`scumble.models.forward.timesteps` makes it.
        cond: Conditioning of B rows, or one.
        taps: Activations of the encoder to read or replace.

    Raises:
        MethodError: If the network has no mid block.
    """
    stem, down, mid = _parts(unet)
    outputs: dict[nn.Module, Any] = {}

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        outputs[module] = output

    with torch.no_grad(), attached(unet, taps), ExitStack() as stack:
        for module in (stem, *down, mid):
            stack.callback(module.register_forward_hook(keep).remove)
        with _until(mid):
            denoise(unet, x, t, cond)
    h = outputs[mid]
    return EncoderCache(x, t, cond, outputs[stem], tuple(outputs[m] for m in down), h)


def decode_half(
    unet: nn.Module, cache: EncoderCache, h: Tensor, read: Sequence[str] = (), taps: Sequence[Tap] = ()
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run a U-Net from the output of its mid block on; equal bit for bit to the whole network.

    Gradients with respect to ``h`` flow when they are enabled; the encoder takes no part.

    Args:
        unet: The network that made ``cache``.
        cache: What :func:`encode_half` returned.
        h: Output of the mid block (B, C', h', w') to go on with: ``cache.h``, or a tensor made of it.
        read: Paths of modules whose outputs are wanted.
        taps: Activations of the decoder to read or replace, before ``read`` sees them.

    Returns:
        The raw output (at least float32), and the outputs of ``read``.

    Raises:
        MethodError: If a module does not exist or is not part of the decoder.
    """
    with _decoder(unet, cache, h, read, taps) as activations:
        output = denoise(unet, cache.x, cache.t, cache.cond)
    return output, _checked(activations, read, "")


def decode_until(
    unet: nn.Module, cache: EncoderCache, h: Tensor, upto: str, read: Sequence[str] = (), taps: Sequence[Tap] = ()
) -> dict[str, Tensor]:
    """Run a U-Net as :func:`decode_half` does, and stop right after the module ``upto`` of the decoder.

    Returns:
        The outputs of ``read`` and ``upto``.

    Raises:
        MethodError: If a module does not exist, is not part of the decoder or does not run before ``upto``.
    """
    with _decoder(unet, cache, h, (*read, upto), taps) as activations, _until(module_at(unet, upto)):
        denoise(unet, cache.x, cache.t, cache.cond)
    return _checked(activations, (*read, upto), f" before {upto!r}")


@contextmanager
def _decoder(
    unet: nn.Module, cache: EncoderCache, h: Tensor, read: Sequence[str], taps: Sequence[Tap]
) -> Iterator[dict[str, Tensor]]:
    """Short-circuit the encoder inside the block; the outputs of ``read`` come into the dictionary."""
    stem, down, mid = _parts(unet)
    activations: dict[str, Tensor] = {}

    def reader(site: str) -> Tap:
        return Tap(site, lambda tensor: activations.update({site: tensor}))

    with ExitStack() as stack:
        stack.enter_context(_returning(stem, cache.stem))
        for module, saved in zip(down, cache.down, strict=True):
            stack.enter_context(_returning(module, saved))
        stack.enter_context(_returning(mid, h.to(cache.h.dtype)))
        stack.enter_context(attached(unet, [*taps, *(reader(site) for site in dict.fromkeys(read))]))
        yield activations


def _checked(activations: dict[str, Tensor], wanted: Sequence[str], when: str) -> dict[str, Tensor]:
    for site in wanted:
        if site not in activations:
            raise MethodError(f"{site!r} does not run in the decoder of this network{when}")
    return activations


def _parts(unet: Any) -> tuple[nn.Module, tuple[nn.Module, ...], nn.Module]:
    if getattr(unet, "mid_block", None) is None:
        raise MethodError("this network has no mid block, so it cannot be run in two parts")
    return unet.conv_in, tuple(unet.down_blocks), unet.mid_block


@contextmanager
def _until(module: nn.Module) -> Iterator[None]:
    """Leave the block as soon as ``module`` has run (and its earlier hooks with it)."""

    handle = module.register_forward_hook(lambda module, args, output: leave())
    with early_exit():
        try:
            yield
        finally:
            handle.remove()


@contextmanager
def _returning(module: nn.Module, result: Any) -> Iterator[None]:
    """Make a module return ``result`` whatever it is given."""
    forward: Callable[..., Any] | None = module.__dict__.get("forward")
    vars(module)["forward"] = lambda *args, **kwargs: result
    try:
        yield
    finally:
        if forward is None:
            del vars(module)["forward"]
        else:
            vars(module)["forward"] = forward
