"""Attention taken from a source row: what must hold exactly, and what the published code does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.core.control import RunState
from scumble.core.cost import Cost
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.methods.attention.attention_swap import AttentionSwap
from scumble.methods.attention.step_range import window_steps
from scumble.methods.attention.swap_sites import SwapSites, gate_table, swap_sites
from scumble.methods.attention.token_alignment import TokenMap
from scumble.methods.official.prompt_to_prompt import OfficialRules
from scumble.models.base import Model
from scumble.models.sites import sites
from tests.support.source_runs import Latents, Watch, close, edit_of, run

SOURCE, TARGET = "a photo of a cat", "a photo of a dog"


@pytest.fixture(scope="module")
def xT() -> Tensor:
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))


def test_windows_are_shares_of_the_steps() -> None:
    assert window_steps(0.8, 50) == range(40)
    assert window_steps((0.2, 0.6), 50) == range(10, 30)
    assert window_steps(0.58, 50) == range(29)  # 0.58 * 50 is 28.999… in floating point
    assert window_steps(0.58, 50, slack=0.0) == range(28)
    assert not window_steps(0.0, 50)
    assert window_steps(1.0, 50) == range(50)


def test_published_gates_count_one_step_more() -> None:
    for share, held in ((0.8, 40), (0.4, 20), (1.0, 51)):
        table = OfficialRules().gates(50, 77, share, {})
        assert table.shape == (51, 77)
        assert bool((table[:held] == 1).all()) and not table[held:].any()
    assert OfficialRules().gates(4, 77, 0.8, {})[:4].all()  # 0.8 of 4 steps holds all 4: the published rounding
    assert gate_table(4, 77, 0.8, {})[:, 0].tolist() == [1, 1, 1, 0]


def test_gates_equal_the_published_ones(tiny_sd: Model, reference: Any) -> None:
    case = reference("p2p_aligner")
    assert torch.equal(OfficialRules().gates(10, 77, 0.4, {}), case["alpha_float"])
    pairs = case.settings["pairs"]
    tables = [
        OfficialRules().gates(10, 77, 0.8, {tuple(tiny_sd.word_tokens(target, "of")): (0.1, 0.4)})
        for _, target in pairs
        if "of" in target.split()
    ]
    assert any(torch.equal(table, case["alpha_dict"]) for table in tables)


def test_a_word_window_goes_before_the_common_one() -> None:
    table = gate_table(10, 8, 0.5, {(2, 3): (0.2, 0.8)})
    assert table[:, 0].tolist() == [1] * 5 + [0] * 5
    assert table[:, 2].tolist() == table[:, 3].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]


def test_layers_are_chosen_by_resolution(tiny_sd: Model) -> None:
    large = swap_sites(tiny_sd.denoiser, (1, 4, 64, 64))
    divisors = {s.path: s.divisor for s in sites(tiny_sd.denoiser, "self_attention")}
    assert {divisors[path] for path in large.own} == {4, 8}  # at most 16 x 16 keys, as published for these latents
    assert len(large.cross) == 16
    wide = swap_sites(tiny_sd.denoiser, (1, 4, 96, 128))
    assert {divisors[path] for path in wide.own} == {4, 8}
    assert len(swap_sites(tiny_sd.denoiser, (1, 4, 16, 16)).own) == 16


@pytest.mark.parametrize("mode", ["replace", "refine"])
def test_identical_prompts_make_identical_rows(tiny_sd: Model, xT: Tensor, mode: str) -> None:
    swap = edit_of(tiny_sd, SOURCE, [SOURCE], xT.shape, mode=mode, cross=0.6, own=(0.2, 0.6))
    source, target = run(tiny_sd, xT, SOURCE, [SOURCE], swap)
    assert close(source, target, 1e-5)


def test_closed_windows_leave_independent_sampling(tiny_sd: Model, xT: Tensor) -> None:
    swap = edit_of(tiny_sd, SOURCE, [TARGET], xT.shape, cross=0.0, own=0.0)
    assert swap.until == 0
    source, target = run(tiny_sd, xT, SOURCE, [TARGET], swap)
    alone = run(tiny_sd, xT, SOURCE, [TARGET], None)
    assert close(source, alone[0], 1e-5) and close(target, alone[1], 1e-5)


def test_the_source_row_is_plain_sampling_whatever_the_control(tiny_sd: Model, xT: Tensor) -> None:
    swap = edit_of(tiny_sd, SOURCE, [TARGET], xT.shape, cross=1.0, own=1.0, weights={"dog": -3.0})
    source, target = run(tiny_sd, xT, SOURCE, [TARGET], swap)
    plain, free = run(tiny_sd, xT, TARGET, [SOURCE], None)[1], run(tiny_sd, xT, SOURCE, [TARGET], None)[1]
    assert close(source, plain, 1e-4)  # rounding of another batch, which this network amplifies tenfold
    assert not close(target, free, 0.05)


def test_weight_one_changes_nothing(tiny_sd: Model, xT: Tensor) -> None:
    ways = {"mode": "refine", "cross": 0.6}
    neutral = edit_of(tiny_sd, SOURCE, [TARGET], xT.shape, weights={"dog": 1.0, "photo": 1.0}, **ways)
    without = edit_of(tiny_sd, SOURCE, [TARGET], xT.shape, **ways)
    weighted, plain = (run(tiny_sd, xT, SOURCE, [TARGET], swap)[1] for swap in (neutral, without))
    assert torch.equal(weighted, plain)


def probabilities(rows: int, heads: int = 2, queries: int = 6, length: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randn(rows, heads, queries, length, generator=generator).softmax(-1)


def edited(swap: AttentionSwap, probs: Tensor, layout: dict[str, slice]) -> Tensor:
    """Pass probabilities through the control's tap at its first step."""
    levels = ()
    ctx = RunState(None, levels, Ddim(), CounterNoise([0]), (1, 4, 8, 8), torch.device("cpu"), Cost())  # type: ignore[arg-type]
    ctx.layout = layout
    (tap,) = swap.taps(ctx)
    result = tap.fn(probs)
    return probs if result is None else result


ROWS = {"source": slice(0, 1), "uncond": slice(1, 2), "cond": slice(2, 3)}


@pytest.mark.parametrize("weight", [3.0, 0.0, -1.0])
def test_a_weight_scales_its_column_exactly_and_no_other(weight: float) -> None:
    weights = torch.ones(12)
    weights[4] = weight
    swap = AttentionSwap(
        SwapSites(("layer",), ()), TokenMap(torch.eye(12), torch.zeros(12)), torch.ones(1, 12), weights
    )
    probs = probabilities(3)
    found = edited(swap, probs, ROWS)
    assert torch.equal(found[2, ..., 4], probs[0, ..., 4] * weight)
    others = [n for n in range(12) if n != 4]
    assert torch.equal(found[2][..., others], probs[0][..., others])
    assert torch.equal(found[:2], probs[:2])


def test_a_closed_gate_keeps_a_columns_own_probability() -> None:
    gates = torch.ones(1, 12)
    gates[0, 3] = 0
    probs = probabilities(3)
    found = edited(
        AttentionSwap(SwapSites(("layer",), ()), TokenMap(torch.eye(12), torch.zeros(12)), gates), probs, ROWS
    )
    assert torch.equal(found[2, ..., 3], probs[2, ..., 3])
    assert torch.equal(found[2, ..., 4:], probs[0, ..., 4:])


def test_one_source_row_serves_all_samples_each_with_its_own_map() -> None:
    swapped = torch.eye(12)[[1, 0, *range(2, 12)]]
    maps = TokenMap(torch.stack([torch.eye(12), swapped]), torch.zeros(2, 12))
    probs = probabilities(5)
    layout = {"source": slice(0, 1), "uncond": slice(1, 3), "cond": slice(3, 5)}
    found = edited(AttentionSwap(SwapSites(("layer",), ()), maps, torch.ones(1, 2, 12)), probs, layout)
    assert torch.equal(found[3], probs[0])
    assert torch.equal(found[4][..., :2], probs[0][..., [1, 0]])
    assert torch.equal(found[:3], probs[:3])


def test_replacement_keeps_every_row_of_attention_a_distribution(tiny_sd: Model, xT: Tensor) -> None:
    path = swap_sites(tiny_sd.denoiser, xT.shape).cross[4]
    swap = edit_of(tiny_sd, "a cat sits here", ["a rottweiler sits here"], xT.shape, cross=1.0, own=0.0)
    watch = Watch(path)
    run(tiny_sd, xT, "a cat sits here", ["a rottweiler sits here"], swap, last=[watch], steps=2)
    assert close(watch.seen[1].sum(-1), torch.ones(()), 1e-5)


def test_held_self_attention_is_the_sources(tiny_sd: Model, xT: Tensor) -> None:
    path = swap_sites(tiny_sd.denoiser, xT.shape).own[3]
    swap = edit_of(tiny_sd, SOURCE, [TARGET], xT.shape, cross=0.0, own=0.5)
    watch = Watch(path)
    run(tiny_sd, xT, SOURCE, [TARGET], swap, last=[watch], steps=4)
    for i in (0, 1):
        assert close(watch.seen[i][0], watch.seen[i][1], 1e-6)
    assert not close(watch.seen[3][0], watch.seen[3][1], 1e-3)


def test_probabilities_are_laid_open_only_while_a_gate_is_open(tiny_sd: Model, xT: Tensor) -> None:
    swap = edit_of(tiny_sd, SOURCE, [TARGET], xT.shape, cross=0.4, own=0.6)
    ctx = RunState(
        tiny_sd, tiny_sd.schedule.levels(5), Ddim(), CounterNoise([0]), xT.shape, torch.device("cpu"), Cost()
    )
    kinds = []
    for ctx.i in range(5):
        taps = swap.taps(ctx)
        kinds.append({tap.what for tap in taps})
    assert kinds == [{"probs", "output"}, {"probs", "output"}, {"output"}, set(), set()]
    assert swap.until == 3


CASES = ["p2p_none", "p2p_replace", "p2p_replace_unequal_tokens", "p2p_refine", "p2p_reweight", "p2p_reweight_refine"]


@pytest.mark.parametrize("name", [*CASES, "p2p_two_targets"])
def test_published_runs_are_reproduced(tiny_sd: Model, reference: Any, name: str) -> None:
    case = reference(name)
    told = case.settings
    source, *targets = told["prompts"]
    steps = told["num_inference_steps"]
    weights = dict(zip(told["equalizer_words"] or (), told["equalizer_values"] or (), strict=True))
    swap = edit_of(
        tiny_sd,
        source,
        targets,
        case["xT"].shape,
        steps,
        mode="refine" if "refine" in told["controller"] else "replace",
        cross=told["cross_replace_steps"],
        own=told["self_replace_steps"],
        weights=weights,
        rules=OfficialRules(),
    )
    if "cross_replace_alpha" in case.tensors:
        assert torch.equal(swap.gates.reshape(steps + 1, len(targets), 77), case["cross_replace_alpha"])
    if "equalizer" in case.tensors:
        assert torch.equal(swap.weights.reshape(-1, 77), case["equalizer"])
    numbers = sorted({int(k.split("layer")[1].split("_")[0]) for k in case.tensors if "_layer" in k})
    blocks = swap_sites(tiny_sd.denoiser, case["xT"].shape)
    path = {n: (blocks.own if n % 2 == 0 else blocks.cross)[n // 2] for n in numbers}
    watches = {when: {n: Watch(path[n]) for n in numbers} for when in ("before", "after")}
    early, late = (list(watches[when].values()) for when in ("before", "after"))
    latents = Latents()
    scales = tuple(told["guidance_scale_per_row"][:2])
    made = run(tiny_sd, case["xT"], source, targets, swap, early, steps, scales, [*late, latents])
    tolerance = case.info["tolerance"]
    for key, value in case.tensors.items():
        if "_layer" in key:
            step, n, when = int(key[4]), int(key.split("layer")[1].split("_")[0]), key.rsplit("_")[-1]
            if n % 2 == 0 and when == "before":
                continue  # our self-attention is edited at its queries and keys, before there is any probability
            seen = watches[when][n].seen[step].flatten(0, 1)
            assert close(seen, value, tolerance["attention"]), key
        elif key.startswith("latents_") and key[8:].isdigit():
            assert close(latents.seen[int(key[8:])], value, tolerance["latents"]), key
    assert close(torch.cat([made[0][:1], made[1]]), case["latents_final"], tolerance["latents"])
