"""Memory that a model's networks take per row, found by running them on shapes alone."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scumble.models.base import Model

__all__ = ["LiveBytes", "NetworkMemory", "memory_of"]


class NetworkMemory:
    """Bytes above the weights that a model's networks take for one picture or row; each is found when it is asked for.

    Args:
        model: The model.
        size: (width, height) in pixels at which it works.
    """

    def __init__(self, model: Model, size: tuple[int, int]) -> None:
        self.model, (width, height) = model, size
        self._picture = (1, 3, height, width)
        self._latent = (1, model.channels, height // model.factor, width // model.factor)

    @property
    def latent(self) -> int:
        """``x`` of one candidate."""
        return 4 * math.prod(self._latent)

    @property
    def picture(self) -> int:
        """A picture in float32."""
        return 4 * math.prod(self._picture)

    @cached_property
    def row(self) -> int:
        """A row through the denoiser."""
        return _peak(self.model, self._latent, self._denoise())

    @cached_property
    def graph(self) -> int:
        """A row whose gradient is taken."""
        return _peak(self.model, self._latent, self._denoise(), gradient=True)

    @cached_property
    def ends(self) -> int:
        """A picture through the encoder, or a latent through the decoder: whichever takes more."""
        if self.model.factor == 1:
            return 0
        encoded = _peak(self.model, self._picture, self.model.encode)
        return max(encoded, _peak(self.model, self._latent, self.model.decode))

    @cached_property
    def decoder_graph(self) -> int:
        """A latent through the decoder whose gradient is taken."""
        return 0 if self.model.factor == 1 else _peak(self.model, self._latent, self.model.decode, gradient=True)

    def _denoise(self) -> Callable[[Tensor], Tensor]:
        model, (_, _, height, width) = self.model, self._picture
        level, cond = model.schedule.levels(2)[0], model.embed([""], size=(height, width))
        if model.picture_channels:
            shape = (1, model.picture_channels, *self._latent[2:])
            cond = replace(cond, picture=torch.zeros(shape, device=model.device))
        return lambda x: model.predict(x, level, cond).eps


_known: weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, int], NetworkMemory]] = weakref.WeakKeyDictionary()


def memory_of(model: Model, size: tuple[int, int]) -> NetworkMemory:
    """Return what a model's networks take at a size; found once for each network object."""
    sizes = _known.setdefault(model.denoiser, {})
    return sizes.setdefault(size, NetworkMemory(model, size))


def _peak(model: Model, shape: tuple[int, ...], call: Callable[[Tensor], Tensor], gradient: bool = False) -> int:
    """The most bytes that are alive during a call, or during it and its gradient."""
    runtime, model.runtime = model.runtime, None
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.set_grad_enabled(gradient), LiveBytes() as alive:
            x = torch.empty(shape, device=model.device, requires_grad=gradient)
            result = call(x)
            if gradient:
                torch.autograd.grad(result.sum(), x)
    finally:
        model.runtime = runtime
    return alive.most


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that operations make, while they are alive."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most = 0, 0
        self._known = weakref.WeakSet[Any]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and look at what it made."""
        given = {id(one.untyped_storage()) for one in _tensors((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            if id(storage) not in given and storage not in self._known:
                self._begin(storage)
        return result

    def _begin(self, storage: Any) -> None:
        size = storage.nbytes()
        self._known.add(storage)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._end, size)

    def _end(self, size: int) -> None:
        self.now -= size


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
