"""Random numbers as streams that do not depend on batch size, order or device."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

__all__ = ["CounterNoise", "GeneratorNoise", "NoiseSource"]


class NoiseSource(Protocol):
    """Standard normal noise for a batch of samples."""

    def normal(self, shape: Sequence[int], stream: str, step: int = 0) -> Tensor:
        """Return float32 noise on the CPU of ``shape`` (B, …), one row per sample."""
        ...

    def select(self, start: int, stop: int) -> NoiseSource:
        """Return the source of the samples ``start:stop`` alone."""
        ...


class CounterNoise:
    """Noise as a pure function of (seed, stream name, step): one counter-based generator per draw, on the CPU.

    A sample's noise therefore is the same in every batch, order, chunking and on every device type.

    Args:
        seeds: One seed per sample of the batch.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = tuple(int(seed) for seed in seeds)

    def normal(self, shape: Sequence[int], stream: str, step: int = 0) -> Tensor:
        """Return noise of ``shape``; ``shape[0]`` must be the number of seeds."""
        if shape[0] != len(self.seeds):
            raise ValueError(f"noise for {shape[0]} samples was asked for, there are {len(self.seeds)} seeds")
        return torch.stack([_draw(seed, stream, step, tuple(shape[1:])) for seed in self.seeds])

    @property
    def identity(self) -> tuple[int, ...]:
        """What decides every draw."""
        return self.seeds

    def select(self, start: int, stop: int) -> CounterNoise:
        """Return the source of the samples ``start:stop`` alone."""
        return CounterNoise(self.seeds[start:stop])


def _draw(seed: int, stream: str, step: int, shape: tuple[int, ...]) -> Tensor:
    """Box-Muller on the bits of Philox with a 128-bit key: numpy promises these bits for all versions and machines."""
    key = int.from_bytes(hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=16).digest(), "little")
    count = math.prod(shape)
    half = (count + 1) // 2
    bits = np.random.Philox(key=key).random_raw(2 * half)
    uniform = ((bits >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:half])), 2 * math.pi * uniform[half:]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
    return torch.from_numpy(normal.astype(np.float32)).reshape(shape)


class GeneratorNoise:
    """Noise drawn one after the other from a ``torch.Generator``, to compare with other software.

    The stream and step are ignored: only the order of the draws counts, as in the published implementations.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def normal(self, shape: Sequence[int], stream: str, step: int = 0) -> Tensor:
        """Return the generator's next draw of ``shape``."""
        device = self.generator.device
        return torch.randn(tuple(shape), generator=self.generator, device=device, dtype=torch.float32).cpu()

    def select(self, start: int, stop: int) -> GeneratorNoise:
        """Return this source: a sequential generator knows no samples."""
        return self
