"""Classifier-free guidance: which rows a prompt needs, and how their predictions become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Start
from scumble.core.guiders.base import Guider
from scumble.core.prediction import Prediction, rescaled
from scumble.core.traits import Traits

__all__ = ["Guidance", "following", "is_same", "relative", "rescaled"]


@dataclass
class Guidance(Control):
    """``uncond + scale (cond - uncond)`` in one batched call (arXiv 2207.12598 eq. 6).

    With scale 1, or when both rows have the same conditioning, only the conditional row is evaluated; with scale 0
    only the unconditional one. Both shortcuts are exact. A network that reads the guidance weight as an input is given
    the scale and evaluated once; then ``scale`` is 1 (arXiv 2310.04378 section 4.2).

    Args:
        cond: The prompt; one row or one per sample.
        uncond: The empty or negative prompt.
        scale: Guidance weight w.
        rescale: phi of arXiv 2305.08891 section 3.4; 0 leaves the prediction alone.
        cells: How much of the guidance each cell takes (1 or B, 1, h, w) in [0, 1]: at 0 the conditional prediction
            stands alone, at 1 the scale holds; None: 1 everywhere.
        guider: The rule in place of eq. 6; None: that equation.
    """

    cond: Conditioning
    uncond: Conditioning
    scale: float = 1.0
    rescale: float = 0.0
    cells: Tensor | None = None
    guider: Guider | None = None

    def __post_init__(self) -> None:
        if self.cond.guidance is not None:
            self.cond, self.uncond = self.cond.guided(self.scale), self.uncond.guided(self.scale)
            self.scale = 1.0

    def traits(self, ctx: RunState) -> Traits:
        """Plain guidance mixes predictions cell by cell; rules that compare with the whole image do not."""
        return Traits(pointwise=type(self) is Guidance and self.guider is None and not self.rescale)

    @property
    def scales(self) -> float | Tensor:
        """The scale, or that of each cell (1 or B, 1, h, w)."""
        return self.scale if self.cells is None else 1 + (self.scale - 1) * self.cells

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows this guidance evaluates."""
        if self.scale == 1 or is_same(self.cond, self.uncond):
            return ("cond",)
        return ("uncond",) if self.scale == 0 else ("uncond", "cond")

    @property
    def planned(self) -> list[Branch]:
        """The rows this guidance evaluates, in the order in which they are batched."""
        conditioning = {"uncond": self.uncond, "cond": self.cond}
        return [Branch(name, conditioning[name]) for name in self.names]

    def combine(self, predictions: Mapping[str, Prediction]) -> Prediction:
        """Return the guided prediction, given that of each of :attr:`names`."""
        names = self.names
        if len(names) == 1:
            return predictions[names[0]]
        guided = predictions["uncond"].towards(predictions["cond"], self.scales)
        return rescaled(guided, predictions["cond"], self.rescale) if self.rescale else guided

    def split(self, joint: Prediction) -> dict[str, Prediction]:
        """Return the prediction of each branch from that of all of them in one batch, equally long."""
        length = joint.x0.shape[0] // len(self.names)
        return {name: joint.rows(k * length, (k + 1) * length) for k, name in enumerate(self.names)}

    def start(self, ctx: RunState) -> Start | None:
        """Let the rule forget an earlier run; where this one begins is for others to say."""
        if self.guider is not None:
            self.guider.begin()
        return None

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Ask for the branches."""
        return [*rows, *self.ruled(ctx, self.planned)]

    def ruled(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """The rows that the rule needs at this step, of those with and without words."""
        if self.guider is None:
            return rows
        needed = rows if self.guider.guides_at(ctx.level) else [row for row in rows if row.name != "uncond"]
        return [*(needed or rows), *self.guider.more_branches(self.cond)]

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """What the rule does inside the network."""
        return () if self.guider is None else self.guider.taps(ctx)

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Combine the branches."""
        if self.guider is None:
            return self.combine(rows)
        cond = rows["cond"] if "cond" in rows else rows["uncond"]
        guided = self.guide(ctx, rows.get("uncond", cond), cond) if "uncond" in rows and "cond" in rows else cond
        return self.guider.finish(guided, rows)

    def guide(self, ctx: RunState, uncond: Prediction, cond: Prediction) -> Prediction:
        """Return the guided prediction by the rule, at the level of this step."""
        if self.guider is None:
            return uncond.towards(cond, self.scales)
        return self.guider.combine(uncond, cond, self.scales, ctx.level)


def relative(change: Tensor) -> Tensor:
    """Return a change map (1 or B, 1, h, w) as shares of each sample's strongest change: 1 where it is the same
    everywhere, and where nothing changes at all."""
    most = change.amax((1, 2, 3), keepdim=True)
    return torch.where(most > 0, change / most.clamp(min=torch.finfo(change.dtype).tiny), 1.0)


def following(guidance: Guidance, shares: Tensor) -> Guidance:
    """Return guidance that grows in each cell with its share (1 or B, 1, h, w) of the change.

    A weakly changed cell has few steps left, and full guidance drives each of them to the prompt's extreme colors.
    Where every share is 1 it is the same guidance, to the bit.
    """
    return guidance if bool((shares == 1).all()) else replace(guidance, cells=shares.to(torch.float32))


def is_same(a: Conditioning, b: Conditioning) -> bool:
    """Whether both are the same conditioning."""
    names = ("embeds", "pooled", "picture", "guidance", "image_prompt", "image_scale")
    pairs = ((getattr(a, name), getattr(b, name)) for name in names)
    return all((p is None and q is None) or (p is not None and q is not None and torch.equal(p, q)) for p, q in pairs)
