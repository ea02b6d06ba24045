"""Noise of one of several windows: the same seeds, other streams."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from scumble.core.noise import NoiseSource

__all__ = ["WindowNoise"]


class WindowNoise:
    """The noise of one of several windows: the same streams under other names."""

    def __init__(self, noise: NoiseSource, suffix: str) -> None:
        self.noise, self.suffix = noise, suffix

    def normal(self, shape: Sequence[int], stream: str, step: int = 0) -> Tensor:
        """Return noise of the stream that belongs to this window."""
        return self.noise.normal(shape, stream + self.suffix, step)

    @property
    def identity(self) -> tuple[object, ...] | None:
        """What decides every draw; None: it cannot be known."""
        inner = getattr(self.noise, "identity", None)
        return None if inner is None else (inner, self.suffix)

    def select(self, start: int, stop: int) -> NoiseSource:
        """Return the source of some samples."""
        return WindowNoise(self.noise.select(start, stop), self.suffix)
