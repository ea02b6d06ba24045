"""Collect attention maps and features of a network call for energies, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.energies.protocol import Needs, Observation
from scumble.models.early_exit import early_exit, leave
from scumble.models.taps import Tap

__all__ = ["ActivationReader", "joined"]


def joined(reads: Iterable[Needs]) -> Needs:
    """Everything that any of several energies reads."""
    every = list(reads)
    attention = dict.fromkeys(path for r in every for path in r.attention)
    features = dict.fromkeys(path for r in every for path in r.features)
    return Needs(tuple(attention), tuple(features), any(r.prediction for r in every))


@dataclass(frozen=True)
class ActivationReader:
    """Reads activations for energies.

    Attributes:
        sizes: Path of a cross-attention module -> (h, w) of its queries.
        decode: From x0 to a picture.
    """

    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    decode: Callable[[Tensor], Tensor] = lambda x0: x0

    def taps(
        self, ctx: RunState, reads: Needs, names: Sequence[str], into: dict[str, Observation], done: Callable[[], None]
    ) -> list[Tap]:
        """Taps that put what they see of each row into ``into``, and call ``done`` when a call has shown everything."""
        wanted = {("probs", path) for path in reads.attention} | {("output", path) for path in reads.features}
        came: set[tuple[str, str]] = set()

        def tap(what: Literal["output", "probs"], path: str) -> Tap:
            def read(tensor: Tensor) -> None:
                for name in names:
                    if name in ctx.layout:
                        self._keep(
                            into.setdefault(name, Observation(ctx, tensor)), what, path, tensor[ctx.layout[name]]
                        )
                came.add((what, path))
                if came == wanted:
                    came.clear()
                    done()

            return Tap(path, read, what)

        return [tap("probs", path) for path in reads.attention] + [tap("output", path) for path in reads.features]

    def _keep(self, observation: Observation, what: str, path: str, part: Tensor) -> None:
        if what == "output":
            observation.features = {**observation.features, path: part.float() if part.dtype.itemsize < 4 else part}
            return
        # (B, heads, queries, K) -> (B, K, h, w), mean over heads
        maps = part.mean(1).transpose(1, 2).unflatten(2, self.sizes[path])
        observation.attention = {**observation.attention, path: maps}

    def once(self, ctx: RunState, x: Tensor, cond: Conditioning, reads: Needs, name: str, grad: bool) -> Observation:
        """Evaluate one row by itself, and leave the network as soon as all has been seen."""
        observations: dict[str, Observation] = {}
        layout, ctx.layout = ctx.layout, {name: slice(0, x.shape[0])}

        def done() -> None:
            if not reads.prediction:
                leave()

        prediction: Prediction | None = None
        try:
            with early_exit():
                prediction = ctx.evaluate(x, ctx.level, cond, self.taps(ctx, reads, [name], observations, done), grad)
        finally:
            ctx.layout = layout
        observation = observations.setdefault(name, Observation(ctx, x))
        observation.x, observation.decode = x, self.decode
        if prediction is not None:
            observation.x0, observation.eps = prediction.x0, prediction.eps
        return observation

    def complete(self, observation: Observation, prediction: Prediction) -> None:
        """Add a row's prediction to what was seen of it."""
        observation.x0, observation.eps, observation.decode = prediction.x0, prediction.eps, self.decode
