"""A source and edited rows sampled together, for the tests of what acts between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from scumble.controls.source_branch import SourceBranch
from scumble.core.control import Branch, Control, RunState, Start
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.methods.attention.attention_edit import AttentionEdit
from scumble.methods.attention.attention_swap import AttentionSwap
from scumble.methods.attention.edit_rules import PromptPair
from scumble.methods.attention.swap_sites import swap_sites
from scumble.models.base import Model
from scumble.models.taps import Tap

STEPS = 5


@dataclass
class From(Control):
    """Begin at a given tensor."""

    x: Tensor

    def start(self, ctx: RunState) -> Start:
        return Start(self.x)


@dataclass
class Watch(Control):
    """Remember the probabilities of one layer and the state after each step."""

    path: str
    seen: dict[int, Tensor] = field(default_factory=dict)

    def taps(self, ctx: RunState) -> Sequence[Any]:
        def read(probs: Tensor) -> None:
            if "source" in ctx.layout and "cond" in ctx.layout:
                self.seen[ctx.i] = torch.cat([probs[ctx.layout["source"]][:1], probs[ctx.layout["cond"]]])

        return [Tap(self.path, read, "probs")]


@dataclass
class Latents(Control):
    """Remember source and targets after each step but the last."""

    seen: dict[int, Tensor] = field(default_factory=dict)
    x: Tensor | None = None

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        self.x = x
        return x

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        source = next(row.x for row in rows if row.name == "source")
        self.seen[ctx.i - 1] = torch.cat([source[:1], self.x])
        return rows


def source_of(model: Model, source: str, scale: float) -> SourceBranch:
    return SourceBranch(Guidance(model.embed([source]), model.embed([""]), scale))


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
    companion: SourceBranch | None = None,
) -> tuple[Tensor, Tensor]:
    """Sample source and targets together; returns (source, targets)."""
    empty = model.embed([""])
    companion = companion or source_of(model, source, scales[0])
    guidance = Guidance(model.embed(list(targets)), empty, scales[1])
    shape = (len(targets), *xT.shape[1:])
    levels = model.schedule.levels(steps)
    ctx = RunState(model, levels, Ddim(), CounterNoise(range(len(targets))), shape, torch.device("cpu"), Cost())
    with torch.no_grad():
        start = From(xT.expand(shape))
        made = denoise(ctx, [start, companion, guidance, *extra, *([swap] if swap else []), *last])
    assert companion.x is not None
    return companion.x, made


def edit_of(
    model: Model, source: str, targets: Sequence[str], shape: Sequence[int], steps: int = STEPS, **kind: Any
) -> AttentionSwap:
    found = swap_sites(model.denoiser, shape)
    return AttentionEdit(**kind).swap(PromptPair(model, source, tuple(targets), 77), found, 0, steps)


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    return float((a - b).abs().max()) <= tolerance
