"""Blended Diffusion's cost of a step: one forward and one backward, against the two forwards of the published code."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import torch
from torch import Tensor

from scumble.controls.classifier_guidance import ClassifierGuidance
from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Start
from scumble.core.noise import CounterNoise
from scumble.core.prediction import Prediction
from scumble.core.solvers import Ddpm
from scumble.energies.clip import ClipRegion
from scumble.energies.picture import RangeExcess
from scumble.energies.protocol import Energy, WeightedEnergy
from scumble.methods.batch import EditBatch
from scumble.models.base import Model
from scumble.models.clip import ClipScorer
from scumble.models.loading import load

__all__ = ["TwoForwards"]

STEPS, BEGIN = 50, 42
REPEATS = 3


class TwoForwards(ClassifierGuidance):
    """The same guidance as published: evaluated once for the step, and once more for the gradient."""

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Remember where the step begins."""
        self.x = super().before(ctx, x)
        return self.x

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Ask for no graph."""
        return [replace(row, grad=False) for row in super().branches(ctx, rows)]

    def through_network(self, ctx: RunState, row: Prediction, judged: Prediction) -> dict[str, Tensor]:
        """Evaluate again, with a graph."""
        if not self.active(ctx, "eps", "mean"):
            return {}
        ctx.leaf = self.x.detach().requires_grad_(True)
        again = ctx.evaluate(ctx.leaf, ctx.level, self.cond, grad=True)
        return super().through_network(ctx, again, judged)


class StartAt(Control):
    """Begins at one step from noise."""

    def start(self, ctx: RunState) -> Start:
        """Noise at that step."""
        return Start(ctx.normal("start", 0), BEGIN)


def main() -> None:
    model, clip = load("still-life-pixel"), ClipScorer.load()
    cases: tuple[tuple[str, list[Energy]], ...] = (
        ("words, 8 views", energies(model, clip)),
        ("the range term alone, no CLIP", [RangeExcess()]),
        ("no words", []),
    )
    for said, given in cases:
        kinds = (ClassifierGuidance, TwoForwards) if given else (ClassifierGuidance,)
        seconds: dict[str, list[float]] = {kind.__name__: [] for kind in kinds}
        counts: dict[str, str] = {}
        for _ in range(REPEATS):
            for kind in kinds:
                batch, taken = one_run(
                    model, kind([WeightedEnergy(energy, place="mean") for energy in given], Conditioning())
                )
                seconds[kind.__name__].append(taken / (STEPS - BEGIN))
                counts[kind.__name__] = f"{batch.cost.forward_rows} forward + {batch.cost.backward_rows} backward rows"
        for name, found in seconds.items():
            print(f"{said}, {name}: {1000 * statistics.median(found):.0f} ms a step, {counts[name]}")
        if len(kinds) > 1:
            ratio = statistics.median(two / one for one, two in zip(*seconds.values(), strict=True))
            print(f"{said}: two forwards take {ratio:.2f} times as long")


def energies(model: Model, clip: ClipScorer) -> list[Energy]:
    side = model.native_size
    mask = torch.zeros(1, 1, side, side, dtype=torch.bool)
    mask[..., side // 4 : side // 2, side // 4 : side // 2] = True
    return [ClipRegion(clip, clip.text_features(["a large red cube on sand"]), mask), RangeExcess()]


def one_run(model: Model, guidance: ClassifierGuidance) -> tuple[EditBatch, float]:
    side = model.native_size
    batch = EditBatch(model, CounterNoise([1]), 1, (side, side))
    solver = Ddpm(variance_type=str(model.schedule.config.get("variance_type") or "fixed_small"))
    started = time.perf_counter()
    batch.denoise(batch.levels(STEPS, "ddpm"), solver, [StartAt(), batch.guidance("", "", 1.0), guidance])
    return batch, time.perf_counter() - started


if __name__ == "__main__":
    main()
