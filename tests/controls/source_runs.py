"""A source and edited rows sampled together, for the tests of what acts between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from scumble.controls.attention_swap import AttentionSwap, swap_sites
from scumble.controls.companion import Companion
from scumble.controls.guidance import Guidance
from scumble.controls.word_edits import Told, WordEdit
from scumble.core.control import Context, Control, Row, Start
from scumble.core.cost import Cost
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.models.base import Model
from scumble.models.taps import Tap

STEPS = 5


@dataclass
class From(Control):
    """Begin at a given tensor."""

    x: Tensor

    def start(self, ctx: Context) -> Start:
        return Start(self.x)


@dataclass
class Watch(Control):
    """Remember the probabilities of one layer and the state after each step."""

    path: str
    seen: dict[int, Tensor] = field(default_factory=dict)

    def taps(self, ctx: Context) -> Sequence[Any]:
        def read(probs: Tensor) -> None:
            if "source" in ctx.layout and "cond" in ctx.layout:
                self.seen[ctx.i] = torch.cat([probs[ctx.layout["source"]][:1], probs[ctx.layout["cond"]]])

        return [Tap(self.path, read, "probs")]


@dataclass
class Latents(Control):
    """Remember source and targets after each step but the last."""

    seen: dict[int, Tensor] = field(default_factory=dict)
    x: Tensor | None = None

    def before(self, ctx: Context, x: Tensor) -> Tensor:
        self.x = x
        return x

    def rows(self, ctx: Context, rows: list[Row]) -> list[Row]:
        source = next(row.x for row in rows if row.name == "source")
        self.seen[ctx.i - 1] = torch.cat([source[:1], self.x])
        return rows


def source_of(model: Model, source: str, scale: float) -> Companion:
    return Companion(Guidance(model.embed([source]), model.embed([""]), scale))


def run(
    model: Model,
    xT: Tensor,
    source: str,
    targets: Sequence[str],
    swap: AttentionSwap | None,
    extra: Sequence[Control] = (),
    steps: int = STEPS,
    scales: tuple[float, float] = (5.0, 5.0),
    last: Sequence[Control] = (),
    companion: Companion | None = None,
) -> tuple[Tensor, Tensor]:
    """Sample source and targets together; returns (source, targets)."""
    empty = model.embed([""])
    companion = companion or source_of(model, source, scales[0])
    guidance = Guidance(model.embed(list(targets)), empty, scales[1])
    shape = (len(targets), *xT.shape[1:])
    levels = model.schedule.levels(steps)
    ctx = Context(model, levels, Ddim(), CounterNoise(range(len(targets))), shape, torch.device("cpu"), Cost())
    with torch.no_grad():
        start = From(xT.expand(shape))
        made = denoise(ctx, [start, companion, guidance, *extra, *([swap] if swap else []), *last])
    assert companion.x is not None
    return companion.x, made


def edit_of(
    model: Model, source: str, targets: Sequence[str], shape: Sequence[int], steps: int = STEPS, **kind: Any
) -> AttentionSwap:
    found = swap_sites(model.denoiser, shape)
    return WordEdit(**kind).swap(Told(model, source, tuple(targets), 77), found, 0, steps)


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return float((a - b).abs().max()) <= tolerance
