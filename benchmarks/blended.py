"""Blended Diffusion's cost of a step: one forward and one backward, against the two forwards of the published code."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from scumble.controls.network_gradient import NetworkGradient, Term
from scumble.core.control import Branch, Control, RunState, Start
from scumble.core.noise import CounterNoise
from scumble.core.prediction import Prediction
from scumble.core.solvers import Ddpm
from scumble.energies.clip_terms import ClipTerm, RangeTerm
from scumble.methods.batch import EditBatch
from scumble.models.base import Model
from scumble.models.clip import ClipScorer
from scumble.models.loading import load

__all__ = ["TwoForwards"]

STEPS, BEGIN = 50, 42
REPEATS = 3


class TwoForwards(NetworkGradient):
    """The same guidance as published: evaluated once for the step, and once more for the gradient."""

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Remember where the step begins."""
        self.x = x
        return x

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Ask for a row without a graph."""
        return [*rows, Branch("cond", self.cond)]

    def through_network(self, ctx: RunState, leaf: Tensor, found: Prediction, x0: Tensor | None = None) -> Tensor:
        """Evaluate again, with a graph."""
        own = leaf.detach().requires_grad_(True)
        with torch.enable_grad():
            again = ctx.evaluate(own, ctx.level, self.cond, grad=True)
        return super().through_network(ctx, own, again, x0)

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """As the base, which takes the gradient where the step begins."""
        ctx.leaf = self.x
        return super().predict(ctx, rows, prediction)


class StartAt(Control):
    """Begins at one step from noise."""

    def start(self, ctx: RunState) -> Start:
        """Noise at that step."""
        return Start(ctx.normal("start", 0), BEGIN)


def main() -> None:
    model, clip = load("still-life-pixel"), ClipScorer.load()
    cases: tuple[tuple[str, list[Term]], ...] = (
        ("words, 8 views", terms(model, clip)),
        ("the range term alone, no CLIP", [RangeTerm()]),
        ("no words", []),
    )
    for said, given in cases:
        kinds = (NetworkGradient, TwoForwards) if given else (NetworkGradient,)
        seconds: dict[str, list[float]] = {kind.__name__: [] for kind in kinds}
        counts: dict[str, str] = {}
        for _ in range(REPEATS):
            for kind in kinds:
                batch, taken = one_run(model, kind(given))
                seconds[kind.__name__].append(taken / (STEPS - BEGIN))
                counts[kind.__name__] = f"{batch.cost.forward_rows} forward + {batch.cost.backward_rows} backward rows"
        for name, found in seconds.items():
            print(f"{said}, {name}: {1000 * statistics.median(found):.0f} ms a step, {counts[name]}")
        if len(kinds) > 1:
            ratio = statistics.median(two / one for one, two in zip(*seconds.values(), strict=True))
            print(f"{said}: two forwards take {ratio:.2f} times as long")


def terms(model: Model, clip: ClipScorer) -> list[Term]:
    side = model.native_size
    mask = torch.zeros(1, 1, side, side, dtype=torch.bool)
    mask[..., side // 4 : side // 2, side // 4 : side // 2] = True
    return [ClipTerm(clip, clip.text_features(["a large red cube on sand"]), mask), RangeTerm()]


def one_run(model: Model, guidance: NetworkGradient) -> tuple[EditBatch, float]:
    side = model.native_size
    batch = EditBatch(model, CounterNoise([1]), 1, (side, side))
    solver = Ddpm(variance_type=str(model.schedule.config.get("variance_type") or "fixed_small"))
    started = time.perf_counter()
    batch.denoise(batch.levels(STEPS, "ddpm"), solver, [StartAt(), guidance])
    return batch, time.perf_counter() - started


if __name__ == "__main__":
    main()
