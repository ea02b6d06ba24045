"""Words with a place, a weight and a sign: several prompts in one image, combined by one formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, RunState
from scumble.core.guidance import Guidance, is_same
from scumble.core.prediction import Prediction, rescaled

__all__ = ["PlacedGuidance", "PlacedWords", "blend_weights", "blended", "combine_words", "shares_of", "with_words"]


@dataclass(frozen=True)
class PlacedWords:
    """One prompt among several.

    Attributes:
        cond: Its conditioning; one row or one per sample.
        map: Where it holds (1 or B, 1, h, w) in [0, 1], at the resolution of ``x``; None: everywhere.
        weight: blend, avoid: its share beside the others. add: the signed scale of its own guidance, negative removes.
        mode: ``blend`` takes part in the conditional prediction; ``add`` is guidance on top of it; ``avoid`` takes part
            in the unconditional one, a negative prompt with a place.
        begin: Share of the steps after which it holds.
        end: Share of the steps until which it holds.
    """

    cond: Conditioning
    map: Tensor | None = None
    weight: float = 1.0
    mode: Literal["blend", "add", "avoid"] = "blend"
    begin: float = 0.0
    end: float = 1.0

    @property
    def is_nowhere(self) -> bool:
        """Whether it changes nothing, in any cell and at any step: then its row need not be evaluated."""
        return self.weight == 0 or self.begin >= self.end or (self.map is not None and not bool(self.map.any()))

    def holds_at(self, step: int, steps: int) -> bool:
        """Whether it holds at a step of a run."""
        return self.begin * steps <= step < self.end * steps


def blend_weights(shares: Sequence[Tensor | float]) -> tuple[Tensor | float, list[Tensor | float]]:
    """Return the main prompt's share and those of the others, which sum to 1 in every cell.

    The main prompt has what the others leave; where they ask for more than 1 together, they are scaled to 1.

    Args:
        shares: Of each other prompt, its weight times its map: not negative, (1 or B, 1, h, w) or one number.
    """
    total = sum(shares[1:], shares[0]) if shares else 0.0
    if isinstance(total, Tensor):
        excess = total.clamp(min=1)
        return (1 - total).clamp(min=0), [share / excess for share in shares]
    excess_number = max(total, 1.0)
    return max(1 - total, 0.0), [share / excess_number for share in shares]


def blended(main: Prediction, blends: Sequence[tuple[Tensor | float, Prediction]]) -> Prediction:
    """Return the main prompt's prediction where others leave it, and theirs by their shares; itself beside none.

    Args:
        main: Of the main prompt.
        blends: Weight times map, and prediction, of each other prompt.
    """
    if not blends:
        return main
    rest, shares = blend_weights([share for share, _ in blends])
    x0, eps = rest * main.x0, rest * main.eps
    for share, (_, prediction) in zip(shares, blends, strict=True):
        x0, eps = x0 + share * prediction.x0, eps + share * prediction.eps
    return Prediction(x0, eps, main.variance)


def combine_words(
    uncond: Prediction,
    cond: Prediction,
    blends: Sequence[tuple[Tensor | float, Prediction]],
    adds: Sequence[tuple[Tensor | float, Prediction]],
    guide: Callable[[Prediction, Prediction], Prediction],
) -> Prediction:
    """Return ``eps_0 + g (sum_i w_i eps_i - eps_0) + sum_j s_j m_j (eps_j - eps_0)`` in every cell.

    ``blend`` is a regional prompt, ``add`` Composable Diffusion's AND (arXiv 2206.01714 eq. 11) and SEGA's guidance
    (arXiv 2301.12247) with a map. Both halves of a prediction are affine in the network's output, so the formula holds
    for each.

    Args:
        uncond: Of the empty or negative prompt.
        cond: Of the main prompt.
        blends: Weight times map, and prediction, of each blended prompt.
        adds: Scale times map, and prediction, of each added prompt.
        guide: What makes one prediction of ``eps_0`` and ``sum_i w_i eps_i``: as written, or another rule of guidance.
    """
    guided = guide(uncond, blended(cond, blends))
    x0, eps = guided.x0, guided.eps
    for strength, prediction in adds:
        x0 = x0 + strength * (prediction.x0 - uncond.x0)
        eps = eps + strength * (prediction.eps - uncond.eps)
    return Prediction(x0, eps, cond.variance)


@dataclass
class PlacedGuidance(Guidance):
    """Classifier-free guidance by a main prompt and others that have a place, a sign or a time.

    At a step where none of them holds it is :class:`Guidance` of the main prompt, bit for bit, in rows and result. A
    prompt that is used twice is one row.

    Args:
        words: The other prompts; those that hold nowhere are left out.
    """

    words: tuple[PlacedWords, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        weight = self.cond.guidance  # a network that reads it is told the same with every prompt
        self.words = tuple(
            one if weight is None else replace(one, cond=replace(one.cond, guidance=weight))
            for one in self.words
            if not one.is_nowhere
        )

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Ask for the main prompt's rows and one for each other prompt that holds at this step."""
        here = self._here(ctx)
        if not here:
            return super().branches(ctx, rows)
        more = () if self.guider is None else self.guider.more_branches(self.cond)
        return [*rows, *self._rows(ctx, here), *more]

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Combine the rows of this step."""
        here = self._here(ctx)
        if not here:
            return super().predict(ctx, rows, prediction)
        cond, of = rows["cond"], {name: rows[row.name] for name, row in self._shared(ctx, here).items()}
        blends, avoided = (shares_of(here, of, mode) for mode in ("blend", "avoid"))
        adds = self._added(ctx, of, here)

        def guide(uncond: Prediction, mixed: Prediction) -> Prediction:
            return self.guide(ctx, uncond, mixed) if self._guides(ctx) else mixed

        guided = combine_words(blended(of.get("uncond", cond), avoided), cond, blends, adds, guide)
        guided = rescaled(guided, cond, self.rescale) if self.rescale else guided
        return guided if self.guider is None else self.guider.finish(guided, rows)

    def _added(
        self, ctx: RunState, of: Mapping[str, Prediction], here: Sequence[tuple[str, PlacedWords]]
    ) -> list[tuple[Tensor | float, Prediction]]:
        """Scale times map, and prediction, of each added prompt."""
        return shares_of(here, of, "add")

    def _here(self, ctx: RunState) -> list[tuple[str, PlacedWords]]:
        return [
            (f"words{k}", one)
            for k, one in enumerate(self.words)
            if one.holds_at(ctx.i, ctx.steps) and (one.mode != "avoid" or self._guides(ctx))
        ]

    def _shared(self, ctx: RunState, here: Sequence[tuple[str, PlacedWords]]) -> dict[str, Branch]:
        """The row that answers for each prompt: an earlier one, where the conditioning is the same."""
        wanted = [Branch("cond", self.cond)]  # first: other controls look for the main prompt's row by its name
        if self._guides(ctx) or any(one.mode == "add" for _, one in here):
            wanted.append(Branch("uncond", self.uncond))
        wanted += [Branch(name, one.cond) for name, one in here]
        shared: dict[str, Branch] = {}
        for row in wanted:
            shared[row.name] = next((one for one in shared.values() if is_same(one.cond, row.cond)), row)
        return shared

    def _rows(self, ctx: RunState, here: Sequence[tuple[str, PlacedWords]]) -> list[Branch]:
        """The rows to evaluate, the unconditional one first, as in plain guidance."""
        rows = {row.name: row for row in self._shared(ctx, here).values()}
        return sorted(rows.values(), key=lambda row: row.name != "uncond")

    def _guides(self, ctx: RunState) -> bool:
        return self.scale != 1 and (self.guider is None or self.guider.guides_at(ctx.level))


def with_words(guidance: Guidance, words: PlacedWords) -> Guidance:
    """Return the guidance with one more prompt beside its own; the same guidance if that holds nowhere."""
    if words.is_nowhere:
        return guidance
    if isinstance(guidance, PlacedGuidance):
        return replace(guidance, words=(*guidance.words, words))
    return PlacedGuidance(
        guidance.cond, guidance.uncond, guidance.scale, guidance.rescale, guidance.cells, guidance.guider, (words,)
    )


def shares_of(
    here: Sequence[tuple[str, PlacedWords]], of: Mapping[str, Prediction], mode: str
) -> list[tuple[Tensor | float, Prediction]]:
    """Return weight times map, and prediction, of each prompt of a mode."""
    return [(one.weight * _field(one.map), of[name]) for name, one in here if one.mode == mode]


def _field(place: Tensor | None) -> Tensor | float:
    return 1.0 if place is None else place.to(torch.float32)
