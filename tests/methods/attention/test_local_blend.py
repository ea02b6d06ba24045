"""Local blend: exact outside its region, and the published regions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.core.control import Constraint, RunState
from scumble.core.cost import Cost
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.errors import InputError
from scumble.methods.attention.attention_edit import AttentionEdit
from scumble.methods.attention.edit_rules import PromptPair
from scumble.methods.attention.local_blend import BlendWords, LocalBlend, map_sites
from scumble.methods.official.prompt_to_prompt import OfficialRules
from scumble.models.base import Model
from scumble.models.sites import sites
from tests.support.source_runs import close, edit_of, run, source_of

SOURCE, TARGET = "a photo of a cat", "a photo of a dog"
LENGTH, SIDE = 10, 8


@dataclass
class Masks(Constraint):
    """Remember the region after each step, and what it did to x."""

    blend: LocalBlend
    masks: list[Tensor] = field(default_factory=list)
    outside: list[bool] = field(default_factory=list)

    def settle(self, ctx: RunState, x: Tensor) -> Tensor:
        mask = self.blend.mask(ctx)
        self.masks.append(mask)
        source = self.blend.source(ctx, ctx.i + 1)
        self.outside.append(torch.equal(x.masked_fill(mask, 0), source.masked_fill(mask, 0)))
        return x


def at(*columns: int) -> Tensor:
    marks = torch.zeros(1, LENGTH)
    marks[0, list(columns)] = 1
    return marks


def blending(seen: dict[str, Tensor], **options: Any) -> tuple[RunState, LocalBlend]:
    """A blend at its first step that has seen the given maps (8, 8) of column 2 in source and edited row."""
    source = torch.full((1, 4, 16, 16), -1.0)
    blend = LocalBlend(("layer",), (SIDE, SIDE), lambda ctx, i: source, BlendWords(at(2), at(2)), **options)
    ctx = RunState(None, (), Ddim(), CounterNoise([0]), (1, 4, 16, 16), torch.device("cpu"), Cost())  # type: ignore[arg-type]
    ctx.layout = {"source": slice(0, 1), "uncond": slice(1, 2), "cond": slice(2, 3)}
    probs = torch.rand(3, 2, SIDE * SIDE, LENGTH, generator=torch.Generator().manual_seed(1))
    for row, name in ((0, "source"), (2, "cond")):
        probs[row, :, :, 2] = seen[name].flatten()
    for tap in blend.taps(ctx):
        tap.fn(probs)
    return ctx, blend


def spot(row: int, column: int) -> Tensor:
    found = torch.zeros(SIDE, SIDE)
    found[row, column] = 1.0
    return found


def test_outside_the_region_the_source_is_put_back_exactly_inside_nothing_changes() -> None:
    ctx, blend = blending({"source": spot(2, 2), "cond": spot(5, 5)})
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    result = blend.settle(ctx, x)
    mask = blend.mask(ctx).expand_as(x)
    assert torch.equal(result[mask], x[mask])
    assert bool((result[~mask] == -1.0).all())
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[1:4, 1:4] = expected[4:7, 4:7] = True  # both rows' places, spread by one cell
    assert torch.equal(blend.mask(ctx)[0, 0, ::2, ::2], expected)


def test_a_region_of_everything_changes_nothing() -> None:
    ctx, blend = blending({"source": torch.ones(8, 8), "cond": torch.zeros(8, 8)})
    x = torch.randn(1, 4, 16, 16)
    assert torch.equal(blend.settle(ctx, x), x)


def test_maps_without_any_attention_give_an_empty_region() -> None:
    ctx, blend = blending({"source": torch.zeros(8, 8), "cond": torch.zeros(8, 8)})
    assert not blend.mask(ctx).any()


def test_words_to_keep_are_taken_out_unspread() -> None:
    maps = {"source": torch.ones(8, 8), "cond": torch.ones(8, 8)}
    ctx, blend = blending(maps, subtract=BlendWords(at(), at(2)), subtract_threshold=0.3)
    assert not blend.mask(ctx).any()
    ctx, blend = blending({"source": torch.ones(8, 8), "cond": spot(3, 3)}, subtract=BlendWords(at(), at(2)))
    kept = ~blend.mask(ctx)[0, 0, ::2, ::2]
    assert torch.equal(kept, spot(3, 3).bool())


def test_before_its_start_nothing_is_put_back() -> None:
    ctx, blend = blending({"source": spot(2, 2), "cond": spot(5, 5)}, start_step=1)
    x = torch.randn(1, 4, 16, 16)
    assert torch.equal(blend.settle(ctx, x), x)


def test_the_running_sum_is_that_of_all_maps() -> None:
    ctx, blend = blending({"source": spot(2, 2), "cond": spot(5, 5)})
    probs = torch.zeros(3, 2, 64, LENGTH)
    probs[0, :, :, 2] = 0.5 * spot(6, 1).flatten()
    blend.taps(ctx)[0].fn(probs)
    assert blend.mask(ctx)[0, 0, 12, 2] and blend.mask(ctx)[0, 0, 4, 4]
    faint = replace(blend, threshold=0.6)
    assert not faint.mask(ctx)[0, 0, 12, 2] and faint.mask(ctx)[0, 0, 4, 4]


@pytest.mark.parametrize(("side", "divisor"), [(64, 4), (96, 4), (32, 4), (16, 2), (8, 1), (4, 1)])
def test_maps_are_chosen_by_resolution(tiny_sd: Model, side: int, divisor: int) -> None:
    paths, size = map_sites(tiny_sd.denoiser, (1, 4, side, side))
    assert size == (side // divisor, side // divisor)
    assert set(paths) == {s.path for s in sites(tiny_sd.denoiser, "cross_attention") if s.divisor == divisor}


def marked(model: Model, targets: tuple[str, ...], *words: str) -> BlendWords:
    told = PromptPair(model, SOURCE, targets, 77)
    found = AttentionEdit(blend=words).local_blend(
        told, model.denoiser, (1, 4, 64, 64), lambda ctx, i: torch.zeros(1), 0, 5
    )
    assert found is not None
    return found.words


def test_a_word_in_neither_prompt_is_named(tiny_sd: Model) -> None:
    with pytest.raises(InputError, match=r"'dgo' is not in the source prompt nor in the new prompt.*did you mean dog"):
        marked(tiny_sd, (TARGET,), "dgo")
    with pytest.raises(InputError, match=r"none of the words 'dog' is in 'a photo of a cat' or 'a photo of a car'"):
        marked(tiny_sd, (TARGET, "a photo of a car"), "dog")


def test_words_are_looked_up_in_both_prompts(tiny_sd: Model) -> None:
    found = marked(tiny_sd, (TARGET,), "cat", "dog")
    assert found.source.nonzero().tolist() == [[0, c] for c in tiny_sd.word_tokens(SOURCE, "cat")]
    assert found.target.nonzero().tolist() == [[0, c] for c in tiny_sd.word_tokens(TARGET, "dog")]


def test_the_published_run_is_reproduced(tiny_sd: Model, reference: Any) -> None:
    case = reference("p2p_local_blend")
    told = case.settings
    source, target = told["prompts"]
    steps, xT = told["num_inference_steps"], case["xT"]
    windows = {"cross": told["cross_replace_steps"], "own": told["self_replace_steps"]}
    swap = edit_of(tiny_sd, source, [target], xT.shape, steps, mode="replace", rules=OfficialRules(), **windows)
    maps, size = map_sites(tiny_sd.denoiser, xT.shape)
    words = marked(tiny_sd, (target,), *(w for group in told["blend_words"] for w in group))
    assert torch.equal(torch.cat([words.source, words.target]), case["alpha_layers"])
    scale = told["guidance_scale"]
    companion = source_of(tiny_sd, source, scale)
    blend = LocalBlend(maps, size, companion, words, told["threshold"])
    masks = Masks(blend)
    ways = {"scales": (scale, scale), "last": [blend, masks], "companion": companion}
    made = run(tiny_sd, xT, source, [target], swap, steps=steps, **ways)
    assert all(masks.outside)
    apart = torch.stack(masks.masks).squeeze(1) != case["masks"].squeeze(1).bool()
    assert apart.float().mean() < 1e-3
    assert close(torch.cat([made[0], made[1]]), case["latents_final"], case.info["tolerance"]["latents"])
