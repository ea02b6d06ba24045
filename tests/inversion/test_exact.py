"""What must hold exactly for edit-friendly and naive inversion, on any network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.stored_noise import StoredNoise, StoredSourceBranch
from scumble.core.conditioning import Conditioning
from scumble.core.control import Control, RunState, Start, StepResult, Transition
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise, GeneratorNoise
from scumble.core.schedule import Level, Schedule
from scumble.core.solvers import Ddim
from scumble.errors import InputError
from scumble.inversion.ddim import ddim
from scumble.inversion.ddpm import naive
from scumble.inversion.edit_friendly import edit_friendly, independent_path
from scumble.inversion.extract import Path, extract
from scumble.inversion.inversion import Inversion
from tests.support.toys import SHAPE, STABLE_DIFFUSION, ToyNetwork, context, with_variance

FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
CLEAN_END = {"_class_name": "DDPMScheduler", "beta_schedule": "linear"}
X0 = torch.randn(SHAPE, generator=torch.Generator().manual_seed(5))
COND = Conditioning(embeds=torch.full((1, 2, 3), 0.3))
NULL = Conditioning(embeds=torch.zeros(1, 2, 3))
INVERT = {"edit-friendly": edit_friendly, "naive": naive}


def run_of(network: ToyNetwork | None = None, eta: float = 1.0, steps: int = 8, **config: Any) -> RunState:
    config = config or {"_class_name": "DDIMScheduler", **STABLE_DIFFUSION}
    return context(network, Schedule.from_config(config).levels(steps), Ddim(eta=eta))


def inversion_of(ctx: RunState, path: Path, first: int = 0) -> Inversion:
    return Inversion("edit-friendly", ctx.levels, first, path.xs, path.zs, path.residuals)


def trajectory(ctx: RunState, controls: Sequence[Control]) -> list[Tensor]:
    xs: list[Tensor] = []

    def collect(_: RunState, result: StepResult) -> None:
        xs.append(result.x)

    denoise(ctx, controls, on_step=collect)
    return xs


@pytest.mark.parametrize("kind", list(INVERT))
@pytest.mark.parametrize("scale", [1.0, 3.5])
@pytest.mark.parametrize("eta", [1.0, 0.4])
@pytest.mark.parametrize(
    ("network", "config"),
    [
        (ToyNetwork(), {}),
        (ToyNetwork("v_prediction"), {}),
        (ToyNetwork("sample"), {}),
        (ToyNetwork("flow"), FLOW),
        (ToyNetwork(), CLEAN_END),
        (ToyNetwork("epsilon", clip_sample=1.0), CLEAN_END),
        (ToyNetwork("epsilon", raw=with_variance(ToyNetwork().raw)), CLEAN_END),
        (ToyNetwork(), {**STABLE_DIFFUSION, "timestep_spacing": "linspace", "set_alpha_to_one": False}),
    ],
    ids=["epsilon", "v", "sample", "flow", "clean-end", "clipped", "learned-variance", "no-noise-at-the-end"],
)
def test_every_level_is_reached_again_bit_for_bit(
    network: ToyNetwork, config: dict[str, Any], eta: float, scale: float, kind: str
) -> None:
    ctx, guidance = run_of(network, eta, **config), Guidance(COND, NULL, scale)
    path = INVERT[kind](ctx, X0, guidance, first=2, chunk=1)
    xs = trajectory(ctx, [StoredNoise(inversion_of(ctx, path, 2)), guidance])
    assert len(xs) == 6
    for found, stored in zip(xs, path.xs[1:], strict=True):
        assert torch.equal(found, stored)
    assert torch.equal(xs[-1], X0)


def test_without_residuals_rounding_stays_and_with_other_words_the_path_is_left() -> None:
    ctx, guidance = run_of(), Guidance(COND, NULL, 3.5)
    inversion = inversion_of(ctx, edit_friendly(ctx, X0, guidance, chunk=1))
    rounded = trajectory(ctx, [StoredNoise(inversion, residuals=False), guidance])[-1]
    assert 0 < float((rounded - X0).abs().max()) < 1e-4
    other = trajectory(ctx, [StoredNoise(inversion), Guidance(NULL, NULL)])[-1]
    assert float((other - X0).abs().max()) > 0.01


def test_the_offset_of_a_last_step_without_noise_is_a_switch() -> None:
    ctx, guidance = run_of(**CLEAN_END), Guidance(COND, NULL)
    inversion = inversion_of(ctx, edit_friendly(ctx, X0, guidance, chunk=1))
    assert inversion.residuals is not None
    without = trajectory(ctx, [StoredNoise(inversion, offsets=False), guidance])[-1]
    offset = inversion.residuals[-1]
    assert float(offset.abs().max()) > 0.01
    torch.testing.assert_close(X0 - without, offset.float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("chunk", [None, 3, 100])
def test_chunks_change_only_the_last_bits(chunk: int | None) -> None:
    ctx, guidance = run_of(), Guidance(COND, NULL, 2.0)
    one, many = (edit_friendly(ctx, X0, guidance, chunk=size) for size in (1, chunk))
    assert torch.equal(one.xs, many.xs)
    torch.testing.assert_close(one.zs, many.zs, atol=1e-4, rtol=0)


def test_the_sequential_order_of_calls_gives_the_same_noise() -> None:
    ctx, guidance = run_of(steps=50), Guidance(COND, NULL, 3.5)
    parallel = edit_friendly(ctx, X0, guidance)
    sequential = edit_friendly(ctx, X0, guidance, mode="sequential")
    torch.testing.assert_close(parallel.zs, sequential.zs, atol=1e-4, rtol=0)
    torch.testing.assert_close(parallel.xs, sequential.xs, atol=1e-6, rtol=0)
    assert bool((sequential.residuals[:-1] == 0).all())
    again = trajectory(ctx, [StoredNoise(inversion_of(ctx, sequential)), guidance])
    assert torch.equal(again[-1], X0)


@pytest.mark.parametrize(("scale", "null", "rows"), [(3.5, NULL, 2), (1.0, NULL, 1), (3.5, COND, 1), (0.0, NULL, 1)])
def test_only_the_needed_rows_are_evaluated(scale: float, null: Conditioning, rows: int) -> None:
    ctx = run_of(steps=10)
    edit_friendly(ctx, X0, Guidance(COND, null, scale), first=4, chunk=4)
    assert ctx.cost.forward_rows == rows * (10 - 4) * SHAPE[0]
    assert ctx.cost.network_calls == 2


@pytest.mark.parametrize("kind", list(INVERT))
def test_skipping_all_steps_asks_the_network_nothing(kind: str) -> None:
    ctx = run_of()
    path = INVERT[kind](ctx, X0, Guidance(COND, NULL, 3.5), first=8)
    assert ctx.cost.network_calls == 0
    inversion = inversion_of(ctx, path, 8)
    assert torch.equal(denoise(ctx, [StoredNoise(inversion), Guidance(COND, NULL)]), X0)
    assert ctx.cost.network_calls == 0


def test_a_smaller_skip_later_needs_only_what_is_missing() -> None:
    guidance = Guidance(COND, NULL, 3.5)
    ctx = run_of()
    late = edit_friendly(ctx, X0, guidance, first=5, chunk=1)
    before = ctx.cost.forward_rows
    more = edit_friendly(ctx, X0, guidance, first=2, chunk=1, known=late)
    assert ctx.cost.forward_rows - before == 2 * 3 * SHAPE[0]
    whole = edit_friendly(run_of(), X0, guidance, first=2, chunk=1)
    for found, wanted in ((more.xs, whole.xs), (more.zs, whole.zs), (more.residuals, whole.residuals)):
        assert torch.equal(found, wanted)
    assert edit_friendly(ctx, X0, guidance, first=5, known=late) is late


def test_levels_have_independent_draws_in_the_published_order() -> None:
    ctx = replace(run_of(), noise=GeneratorNoise(torch.Generator().manual_seed(9)))
    xs = independent_path(ctx, X0, 0)
    generator = torch.Generator().manual_seed(9)
    for i in range(7, -1, -1):  # from the least noisy level on
        assert torch.equal(xs[i], ctx.noised(X0, torch.randn(SHAPE, generator=generator), i))
    assert torch.equal(xs[8], X0)


def test_other_seeds_give_other_codes_and_the_same_picture() -> None:
    guidance, edited = Guidance(COND, NULL, 3.0), []
    for seed in (0, 7):
        ctx = replace(run_of(), noise=CounterNoise([seed, seed + 1]))
        inversion = inversion_of(ctx, edit_friendly(ctx, X0, guidance, first=2, chunk=1), 2)
        assert torch.equal(trajectory(ctx, [StoredNoise(inversion), guidance])[-1], X0)
        edited.append(trajectory(ctx, [StoredNoise(inversion), Guidance(NULL, NULL)])[-1])
    assert float((edited[0] - edited[1]).abs().max()) > 0.01


def test_a_naive_path_follows_the_true_process() -> None:
    ctx = replace(run_of(steps=20), shape=(4000, 1, 1, 1), noise=GeneratorNoise(torch.Generator().manual_seed(1)))
    xs = naive(ctx, torch.full((1, 1, 1, 1), 0.7), Guidance(NULL, NULL)).xs.flatten(1)
    for i in (0, 7, 15):
        level, after = ctx.levels[i], ctx.levels[i + 1]
        assert float(xs[i].mean()) == pytest.approx(0.7 * level.a, abs=0.06)
        assert float(xs[i].var()) == pytest.approx(level.s**2, rel=0.08)
        shared = (level.a / after.a) * after.s / level.s  # the correlation of a Markov chain
        assert float(torch.corrcoef(xs[i : i + 2])[0, 1]) == pytest.approx(shared, abs=0.02)


def test_a_teacher_forced_row_sees_the_stored_path_and_costs_one_row() -> None:
    network = ToyNetwork()
    ctx, guidance = run_of(network), Guidance(NULL, COND, 2.0)
    one = replace(ctx, shape=(1, *SHAPE[1:]), noise=CounterNoise([3]))
    inversion = inversion_of(ctx, edit_friendly(one, X0[:1], guidance, first=3), 3)
    network.calls.clear()
    xs = trajectory(ctx, [StoredNoise(inversion), StoredSourceBranch(inversion, COND, until=6), guidance])
    assert [len(call[0]) for call in network.calls] == [5, 5, 5, 4, 4]  # one source row, two rows of two samples
    for i, call in zip(range(3, 6), network.calls, strict=False):
        assert torch.equal(call[0][:1], inversion.x_at(i))
        assert torch.equal(call[2].embeds[:1], COND.embeds)  # type: ignore[index, arg-type]
    plain = trajectory(run_of(network), [StoredNoise(inversion), guidance])
    torch.testing.assert_close(xs[-1], plain[-1])


def test_stored_noise_serves_a_step_once() -> None:
    class Again(Control):
        def after(self, ctx: RunState, move: Transition) -> Transition:
            if ctx.i == 5 and ctx.repeat == 0:
                return replace(move, jump=Start(ctx.noised(X0, ctx.normal("again"), 5), 5))
            seen.append((ctx.i, ctx.repeat, move.noise))
            return move

    seen: list[tuple[int, int, Tensor | None]] = []
    ctx, guidance = run_of(), Guidance(COND, NULL)
    inversion = inversion_of(ctx, edit_friendly(ctx, X0, guidance, first=4), 4)
    denoise(ctx, [StoredNoise(inversion), Again(), guidance])
    assert inversion.zs is not None
    assert [(i, visit) for i, visit, _ in seen] == [(4, 0), (5, 1), (6, 0), (7, 0)]
    assert seen[1][2] is None
    assert torch.equal(seen[2][2], inversion.zs[2])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(INVERT))
def test_impossible_inversions_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match=r"0 to 8 of 8 steps, not 9"):
        INVERT[kind](run_of(), X0, Guidance(COND, NULL), first=9)
    with pytest.raises(InputError, match=r"eta above 0.*ddim"):
        INVERT[kind](run_of(eta=0.0), X0, Guidance(COND, NULL))


def ddim_error(ctx: RunState, **options: Any) -> float:
    guidance = Guidance(COND, NULL)
    xs = ddim(ctx, X0, guidance, **options).xs
    first = ctx.steps + 1 - len(xs)
    back = trajectory(ctx, [StoredNoise(Inversion("ddim", ctx.levels, first, xs)), guidance])[-1]
    return float((back - X0).square().mean().sqrt())


def test_ddim_inversion_becomes_exact_with_iterations_and_better_with_steps() -> None:
    errors = [ddim_error(run_of(eta=0.0, steps=20), iterations=k) for k in (1, 3, 6, 40)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-5 < errors[0]
    assert ddim_error(run_of(eta=0.0, steps=100)) < ddim_error(run_of(eta=0.0, steps=20))


@pytest.mark.parametrize("clip", [None, 1.0])
def test_fixed_point_iterations_stop_below_their_tolerance(clip: float | None) -> None:
    ctx = run_of(ToyNetwork("epsilon", clip_sample=clip), eta=0.0, steps=40)
    pivot = ddim(ctx, X0.clamp(-1, 1), Guidance(COND, NULL), iterations=60, tolerance=1e-5, first=10)
    assert pivot.residual <= 1e-5
    assert len(pivot.xs) == 31
    assert 30 < pivot.evaluations < 30 * 60
    assert ctx.cost.forward_rows == pivot.evaluations * SHAPE[0]
    back = denoise(ctx, [StoredNoise(Inversion("ddim", ctx.levels, 10, pivot.xs)), Guidance(COND, NULL)])
    torch.testing.assert_close(back, X0.clamp(-1, 1), atol=2e-3, rtol=0)


def test_a_step_s_inverse_puts_the_prediction_at_the_x_that_is_sought() -> None:
    ctx = run_of(eta=0.0)
    pivot = ddim(ctx, X0, Guidance(COND, NULL), iterations=100, tolerance=0.0, first=7)
    mean = trajectory(ctx, [StoredNoise(Inversion("ddim", ctx.levels, 7, pivot.xs)), Guidance(COND, NULL)])[-1]
    torch.testing.assert_close(mean, X0, atol=2e-6, rtol=0)


def test_offsets_make_a_ddim_path_exact() -> None:
    ctx, guidance = run_of(eta=0.0), Guidance(COND, NULL, 3.5)
    xs = ddim(ctx, X0, guidance).xs
    path = extract(ctx, xs, guidance, 0, chunk=1)
    inversion = Inversion("ddim", ctx.levels, 0, xs, None, path.residuals)
    found = trajectory(ctx, [StoredNoise(inversion), guidance])
    for x, stored in zip(found, xs[1:], strict=True):
        assert torch.equal(x, stored)


def test_ddim_refuses_no_iterations_and_too_many_skipped_steps() -> None:
    with pytest.raises(InputError, match="iterations"):
        ddim(run_of(eta=0.0), X0, Guidance(COND, NULL), iterations=0)
    with pytest.raises(InputError, match="not 12"):
        ddim(run_of(eta=0.0), X0, Guidance(COND, NULL), first=12)


def test_levels_of_the_toys_have_what_the_cases_name() -> None:
    assert run_of(**CLEAN_END).levels[-1] == Level(0.0, 1.0, 0.0)
    silent = run_of(**{**STABLE_DIFFUSION, "timestep_spacing": "linspace", "set_alpha_to_one": False}).levels
    assert silent[-1].s == silent[-2].s > 0
