"""Activations of the source at all steps, computed once and used by every edit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState, Trajectory
from scumble.inversion.chunks import Chunks
from scumble.models.early_exit import early_exit, reading_until_complete

__all__ = ["SourceFeatures"]


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors.values())


@dataclass
class SourceFeatures:
    """Activations of the source at all steps, computed once, several steps in one call, and used by every edit.

    Each call ends as soon as the last wanted activation is known. What does not fit ``limit`` is left out.

    Attributes:
        known: Step -> path of the module -> its output (1 or B rows).
        limit: Bytes that may be kept.
    """

    known: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    limit: int = 2 * 2**30

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(_bytes(at) for at in self.known.values())

    def record(
        self,
        ctx: RunState,
        trajectory: Trajectory,
        cond: Conditioning,
        wanted: Mapping[int, tuple[str, ...]],
        chunk: int | None = None,
    ) -> None:
        """Evaluate the source where it is not known yet.

        Args:
            ctx: The run.
            trajectory: The source at each level.
            cond: Conditioning of the source.
            wanted: Step -> the modules whose outputs are needed there.
            chunk: Steps per network call; None lets the memory decide.
        """
        missing = [i for i in sorted(wanted) if wanted[i] and not set(wanted[i]) <= set(self.known.get(i, {}))]
        chunks = Chunks(ctx.device, chunk)
        for paths, group in groupby(missing, key=lambda i: wanted[i]):
            steps = list(group)
            while steps and (room := self._room()):
                with chunks.measured() as most:
                    now, steps = steps[: min(most, room)], steps[min(most, room) :]
                    self._call(ctx, trajectory, cond, now, paths)

    def _room(self) -> int:
        """How many more steps fit, judged by the largest one that is known; one when none is."""
        largest = max((_bytes(at) for at in self.known.values()), default=0)
        return max(self.limit - self.size, 0) // largest if largest else int(self.limit > 0)

    def _call(
        self,
        ctx: RunState,
        trajectory: Trajectory,
        cond: Conditioning,
        steps: Sequence[int],
        paths: Iterable[str],
    ) -> None:
        x = [trajectory(ctx, i) for i in steps]
        levels = [ctx.levels[i] for i, rows in zip(steps, x, strict=True) for _ in range(rows.shape[0])]
        features: dict[str, Tensor] = {}
        conditioning = cond if cond.batch == 1 else Conditioning.cat([cond] * len(steps))
        with early_exit():
            ctx.evaluate(torch.cat(x), levels, conditioning, reading_until_complete(paths, features))
        for k, i in enumerate(steps):
            rows = slice(k * x[k].shape[0], (k + 1) * x[k].shape[0])
            self.known.setdefault(i, {}).update({path: features[path][rows].clone() for path in features})
