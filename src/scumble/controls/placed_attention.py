"""Words with a place inside the network: one row, whose cross-attention asks other words in other cells.

The other way, a row for each prompt (:class:`scumble.core.words.PlacedGuidance`), costs more. This one is what
sd-webui-regional-prompter and attention couple do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, RunState
from scumble.core.prediction import Prediction
from scumble.core.words import PlacedGuidance, PlacedWords, blend_weights, blended, combine_words, shares_of
from scumble.energies.sites import site_sizes
from scumble.errors import MethodError
from scumble.models.attention import replaceable
from scumble.models.sites import sites
from scumble.models.taps import Tap, module_at

__all__ = ["PlacedAttention"]


@dataclass
class PlacedAttention(PlacedGuidance):
    """Guidance whose conditional row sees ``sum_i w_i(c) Attn(q(c), K_i, V_i)`` in every cross-attention.

    Added prompts keep their rows. Where no placed prompt holds it is :class:`PlacedGuidance`, bit for bit.

    Args:
        denoiser: The network.
    """

    denoiser: nn.Module | None = None

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Ask for one conditional row, and one for each added prompt."""
        if not self._blends(ctx):
            return super().branches(ctx, rows)
        free = [Branch("uncond", self.uncond)] if self._guides(ctx) or self._adds(ctx) else []
        added = [Branch(name, one.cond) for name, one in self._here(ctx) if one.mode != "blend"]
        more = () if self.guider is None else self.guider.more_branches(self.cond)
        return [*rows, *free, Branch("cond", self.cond), *added, *more]

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Combine the rows of this step."""
        if not self._blends(ctx):
            return super().predict(ctx, rows, prediction)
        cond, here = rows["cond"], self._here(ctx)
        adds, avoided = (shares_of(here, rows, mode) for mode in ("add", "avoid"))

        def guide(uncond: Prediction, mixed: Prediction) -> Prediction:
            return self.guide(ctx, uncond, mixed) if self._guides(ctx) else mixed

        guided = combine_words(blended(rows.get("uncond", cond), avoided), cond, [], adds, guide)
        return guided if self.guider is None else self.guider.finish(guided, rows)

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Let every cross-attention of the conditional rows ask each prompt where it holds."""
        blends, taps = self._blends(ctx), [*super().taps(ctx)]
        if not blends or self.denoiser is None:
            return taps
        rest, shares = blend_weights([one.weight * (1.0 if one.map is None else one.map) for one in blends])
        asked = [(rest, self.cond), *((share, one.cond) for share, one in zip(shares, blends, strict=True))]
        asked = [(share, cond) for share, cond in asked if torch.as_tensor(share).any()]
        grids = site_sizes(self.denoiser, ctx.shape)
        for site in sites(self.denoiser, "cross_attention"):
            module = module_at(self.denoiser, site.path)
            _check(module, site.path)
            taps += _mixing(module, site.path, grids[site.path], asked, ctx)
        return taps

    def _blends(self, ctx: RunState) -> list[PlacedWords]:
        return [one for _, one in self._here(ctx) if one.mode == "blend"]

    def _adds(self, ctx: RunState) -> list[tuple[str, PlacedWords]]:
        return [(name, one) for name, one in self._here(ctx) if one.mode == "add"]


def _check(module: Any, path: str) -> None:
    if not replaceable(module.processor) or getattr(module, "fused_projections", False):
        raise MethodError(
            f"the attention of {path!r} runs through {type(module.processor).__name__}, which cannot ask several"
            " prompts: use --places latent"
        )


def _mixing(
    module: Any, path: str, grid: tuple[int, int], asked: Sequence[tuple[Tensor | float, Conditioning]], ctx: RunState
) -> list[Tap]:
    """Two taps: one reads the queries of a cross-attention module, the other puts the mixed answer in place."""
    queries: list[Tensor] = []

    def read(q: Tensor) -> None:
        queries[:] = [q]

    def mix(output: Tensor) -> Tensor | None:
        places = [place for name, place in ctx.layout.items() if name in ("cond", "weak")]
        mixed = output.clone()
        for place in places:
            answers = torch.zeros_like(output[place])
            for share, cond in asked:
                answers = answers + _cells(share, grid, output) * _answer(module, queries[0][place], cond.embeds)
            mixed[place] = answers
        return mixed if places else None

    return [Tap(f"{path}.to_q", read), Tap(path, mix)]


def _cells(share: Tensor | float, grid: tuple[int, int], like: Tensor) -> Tensor | float:
    """A share (1 or B, 1, h, w) at a layer's grid, one for each query (1 or B, h w, 1)."""
    if not isinstance(share, Tensor):
        return share
    return F.interpolate(share.float(), grid, mode="area").flatten(2).transpose(1, 2).to(like)


def _answer(module: Any, queries: Tensor, states: Tensor | None) -> Tensor:
    """What a cross-attention module answers queries (B, n, d) that are told other words (1 or B, L, D)."""
    assert states is not None
    words = states.to(queries).expand(queries.shape[0], -1, -1)
    q, k, v = (
        part.unflatten(-1, (module.heads, -1)).transpose(1, 2)
        for part in (queries, module.to_k(words), module.to_v(words))
    )
    scores = (q.float() / math.sqrt(q.shape[-1])) @ k.float().transpose(-1, -2)
    answer = (scores.softmax(-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)
    result: Tensor = module.to_out[1](module.to_out[0](answer))
    return result / module.rescale_output_factor
