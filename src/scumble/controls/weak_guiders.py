"""Guidance away from the same network made worse inside: perturbed attention, smoothed energy, auto-guidance.

Each needs one more row a step, told the prompt, in which a tap spoils self-attention; guidance goes on from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, RunState
from scumble.core.guiders import Guider
from scumble.core.prediction import Prediction
from scumble.errors import MethodError
from scumble.models.sites import sites
from scumble.models.taps import Tap

__all__ = ["WEAK", "Weakened", "weak_guider"]

ROW = "weak"


def _only_itself(probs: Tensor) -> Tensor:
    return torch.eye(*probs.shape[-2:], device=probs.device, dtype=probs.dtype).expand_as(probs)


def _mean_query(queries: Tensor) -> Tensor:
    return queries.mean(1, keepdim=True).expand_as(queries)


def _middle(denoiser: nn.Module) -> list[str]:
    """Self-attention of the middle block; of the coarsest grid where that has none."""
    known = sites(denoiser, "self_attention")
    middle = [site.path for site in known if site.place == "mid"]
    coarsest = max((site.divisor for site in known), default=0)
    return middle or [site.path for site in known if site.divisor == coarsest]


def _all(denoiser: nn.Module) -> list[str]:
    return [site.path for site in sites(denoiser, "self_attention")]


@dataclass(frozen=True)
class Weakness:
    """How a network is made worse.

    Attributes:
        scale: Guidance away from it.
        where: The attention modules it happens in.
        part: What of a module is changed: ``probs``, the module's own ``output`` (""), or that of a part of it.
        spoil: The change, for the rows concerned.
    """

    scale: float
    where: Callable[[nn.Module], list[str]]
    part: str
    spoil: Callable[[Tensor], Tensor]


WEAK: dict[str, Weakness] = {
    # arXiv 2403.17377 eq. 14: every cell attends to itself alone
    "pag": Weakness(3.0, _middle, "probs", _only_itself),
    # arXiv 2408.00760 eq. 12 for an infinite blur: every cell asks what the average cell asks
    "seg": Weakness(3.0, _middle, "to_q", _mean_query),
    # arXiv 2406.02507 eq. 3 with w = 2; the weaker model is this one without self-attention
    "auto": Weakness(1.0, _all, "", torch.zeros_like),
}


class Weakened(Guider):
    """Classifier-free guidance ``+ s (eps_c - eps_weak)``.

    Args:
        denoiser: The network.
        weakness: How it is made worse.
    """

    def __init__(self, denoiser: nn.Module, weakness: Weakness) -> None:
        self.weakness, self.paths = weakness, weakness.where(denoiser)

    def more_branches(self, cond: Conditioning) -> Sequence[Branch]:
        """Ask for the worse row."""
        return [Branch(ROW, cond)]

    def taps(self, ctx: RunState) -> Sequence[Tap]:
        """Make that row worse, and leave the others."""

        def spoil(value: Tensor) -> Tensor | None:
            rows = ctx.layout.get(ROW)
            if rows is None:
                return None
            spoiled = value.clone()
            spoiled[rows] = self.weakness.spoil(value[rows])
            return spoiled

        if self.weakness.part == "probs":
            return [Tap(path, spoil, "probs") for path in self.paths]
        return [Tap(f"{path}.{self.weakness.part}".removesuffix("."), spoil) for path in self.paths]

    def finish(self, guided: Prediction, rows: Mapping[str, Prediction]) -> Prediction:
        """Add what leads away from the worse prediction."""
        cond, weak = rows.get("cond", guided), rows[ROW]
        x0 = guided.x0 + self.weakness.scale * (cond.x0 - weak.x0)
        return Prediction(x0, guided.eps + self.weakness.scale * (cond.eps - weak.eps), guided.variance)


def weak_guider(name: str, denoiser: nn.Module) -> Weakened:
    """Return the rule ``pag``, ``seg`` or ``auto`` for a network.

    Raises:
        MethodError: If the network has no self-attention.
    """
    guider = Weakened(denoiser, WEAK[name])
    if not guider.paths:
        raise MethodError(f"guider {name} works on self-attention, and this network has none: use another guider")
    return guider
