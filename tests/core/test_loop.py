"""The loop: plain without controls, exact about the order of the hooks, clean after whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.core import loop
from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Constraint, Control, RunState, Start, StepResult, Transition
from scumble.core.dpm_solvers import DpmSolverPP2M
from scumble.core.loop import Stopped, denoise
from scumble.core.noise import CounterNoise
from scumble.core.plms import Plms
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level, Schedule
from scumble.core.solver import Evaluation, Solver
from scumble.core.solvers import Ddim, Ddpm
from tests.support.toys import (
    ROW,
    SHAPE,
    STABLE_DIFFUSION,
    Asks,
    ToyNetwork,
    context,
    raw_epsilon,
    trajectory,
    with_variance,
)

SOLVERS: list[Solver] = [Ddim(), Ddim(eta=0.7), Ddpm("fixed_large"), DpmSolverPP2M(8), Plms()]


def levels(n: int, solver: str = "ddim") -> tuple[Level, ...]:
    return Schedule.from_config({"_class_name": "DDIMScheduler", **STABLE_DIFFUSION}).levels(n, solver)


def told(value: float, batch: int = 1) -> Conditioning:
    return Conditioning(torch.full((batch, 2, 3), value))


def plain(ctx: RunState) -> Tensor:
    """The sampler written out, without the loop."""
    x, visits = ctx.noise.normal(SHAPE, "start", 0), []
    for i in range(len(ctx.levels) - 1):
        visits.append(Evaluation(i, ctx.levels[i], x, ctx.network.predict(x, ctx.levels[i], Conditioning())))
        mean, std = ctx.solver.step(visits, ctx.levels[i + 1])
        noisy = isinstance(std, Tensor) or std > 0
        x = mean + std * ctx.noise.normal(SHAPE, "step", i) if noisy else mean
    return x


class Same(Control):
    """Every hook returns what it was given."""


class ZeroEnergy(Control):
    """An energy of weight 0."""

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        return replace(prediction, eps=prediction.eps + 0.0 * torch.ones_like(prediction.eps))

    def after(self, ctx: RunState, move: Transition) -> Transition:
        return move.shifted(0.0 * move.mean)


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_controls_the_loop_is_bitwise_the_plain_sampler(solver: Solver) -> None:
    ctx = context(levels=levels(8, solver.name), solver=solver)
    assert torch.equal(trajectory(ctx)[-1], plain(ctx))
    assert ctx.i == ctx.steps


def test_a_learned_variance_is_bitwise_the_plain_sampler() -> None:
    ctx = context(ToyNetwork(raw=with_variance(raw_epsilon)), solver=Ddpm("learned_range"))
    assert torch.equal(trajectory(ctx)[-1], plain(ctx))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("controls", [[Same()], [ZeroEnergy()], [Same(), ZeroEnergy(), Same()]])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_controls_that_change_nothing_are_bitwise_neutral(
    solver: Solver, controls: list[Control], clip: float | None
) -> None:
    make = lambda: context(ToyNetwork(clip_sample=clip), levels(8, solver.name), solver)  # noqa: E731
    assert torch.equal(trajectory(make(), controls)[-1], trajectory(make())[-1])


class Log(Control):
    def __init__(self, name: str, log: list[str], moves: bool = False) -> None:
        self.name, self.log, self.moves = name, log, moves

    def note(self, hook: str) -> None:
        self.log.append(f"{hook} {self.name}")

    def start(self, ctx: RunState) -> Start | None:
        self.note("start")
        return None

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        self.note("branches")
        return rows

    def taps(self, ctx: RunState) -> Sequence[Any]:
        self.note("taps")
        return [self.name]

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        self.note("before")
        return x + 0.01 if self.moves else x

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        self.note("predict")
        return prediction

    def after(self, ctx: RunState, move: Transition) -> Transition:
        self.note("after")
        return move


class Keeper(Log, Constraint):
    def settle(self, ctx: RunState, x: Tensor) -> Tensor:
        self.note("settle")
        return x


def test_hooks_come_in_the_order_of_the_list_with_constraints_around_them() -> None:
    log: list[str] = []
    network = ToyNetwork()
    controls = [Log("a", log), Keeper("k", log), Log("b", log)]
    trajectory(context(network, levels(1)), controls)
    assert log == [
        *("start a", "start k", "start b"),
        *("before k", "before a", "before b"),
        *("branches a", "branches k", "branches b"),
        *("taps a", "taps k", "taps b"),
        *("predict a", "predict k", "predict b"),
        *("after a", "after b", "settle k"),
    ]
    assert list(network.calls[0][3]) == ["a", "k", "b"]


def test_constraints_act_again_when_another_control_moved_x() -> None:
    log: list[str] = []
    controls = [Log("a", log), Keeper("k", log), Log("b", log, moves=True)]
    trajectory(context(levels=levels(1)), controls)
    assert [line for line in log if line.startswith("before")] == ["before k", "before a", "before b", "before k"]


class Hold(Constraint):
    """Keeps the left half at zero."""

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(x[..., :2]), x[..., 2:]], dim=-1)

    def settle(self, ctx: RunState, x: Tensor) -> Tensor:
        return self.before(ctx, x)


class Leak(Control):
    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        return x + 1

    def after(self, ctx: RunState, move: Transition) -> Transition:
        return move.shifted(torch.ones_like(move.mean))


def test_nothing_leaks_into_what_a_constraint_keeps() -> None:
    for controls in ([Hold(), Leak()], [Leak(), Hold()]):
        network = ToyNetwork()
        xs = trajectory(context(network, solver=Ddim(eta=1.0)), controls)
        assert all(x[..., :2].abs().max() == 0 for x in xs)
        assert all(x[..., :2].abs().max() == 0 for x, *_ in network.calls)
        assert xs[-1][..., 2:].abs().min() > 0


class StartAt(Control):
    def __init__(self, value: float, index: int) -> None:
        self.begin = Start(torch.full(SHAPE, value), index)
        self.asked = 0

    def start(self, ctx: RunState) -> Start:
        self.asked += 1
        return self.begin


def test_the_first_start_wins_and_every_control_is_told_once() -> None:
    network = ToyNetwork()
    controls = [Same(), StartAt(0.25, 3), StartAt(0.75, 5)]
    xs = trajectory(context(network), controls)
    assert len(xs) == 5
    assert torch.equal(network.calls[0][0], torch.full(SHAPE, 0.25))
    assert [c.asked for c in controls if isinstance(c, StartAt)] == [1, 1]


def test_a_start_at_the_last_level_is_returned_without_a_call() -> None:
    network = ToyNetwork()
    assert torch.equal(denoise(context(network), [Asks(ROW), StartAt(0.5, 8)]), torch.full(SHAPE, 0.5))
    assert network.calls == []


class Counting(CounterNoise):
    def __init__(self, seeds: Sequence[int]) -> None:
        super().__init__(seeds)
        self.drawn: list[tuple[str, int]] = []

    def normal(self, shape: Sequence[int], stream: str, step: int = 0) -> Tensor:
        self.drawn.append((stream, step))
        return super().normal(shape, stream, step)


def test_noise_is_drawn_only_for_steps_that_need_it() -> None:
    deterministic, ancestral = Counting([0, 1]), Counting([0, 1])
    trajectory(context(noise=deterministic))
    assert deterministic.drawn == [("start", 0)]
    trajectory(context(noise=ancestral, solver=Ddim(eta=1.0)))
    assert ancestral.drawn == [("start", 0), *(("step", i) for i in range(7))]


class Stored(Control):
    def __init__(self, noise: Tensor) -> None:
        self.noise = noise

    def after(self, ctx: RunState, move: Transition) -> Transition:
        return replace(move, noise=self.noise)


def test_noise_that_is_given_is_used_and_none_is_drawn() -> None:
    noise, given = Counting([0, 1]), torch.ones(SHAPE)
    results: list[StepResult] = []
    ctx = context(noise=noise, solver=Ddim(eta=1.0))
    denoise(ctx, [Asks(ROW), StartAt(0.3, 0), Stored(given)], lambda _, result: results.append(result))
    assert noise.drawn == []
    for result in results[:-1]:
        assert torch.equal(result.x, result.move.mean + result.move.std * given)


def test_a_shift_of_the_mean_comes_before_the_noise() -> None:
    class Shift(Control):
        def after(self, ctx: RunState, move: Transition) -> Transition:
            assert move.noise is None
            return move.shifted(torch.full_like(move.mean, 0.5)) if ctx.i == 7 else move

    shifted = trajectory(context(solver=Ddim(eta=1.0)), [Shift()])
    normal = trajectory(context(solver=Ddim(eta=1.0)))
    assert torch.equal(shifted[6], normal[6])
    assert torch.allclose(shifted[7], normal[7] + 0.5)


class Ask(Control):
    def __init__(self, *rows: Branch, use: str | None = None) -> None:
        self.asked, self.use = rows, use
        self.seen: list[dict[str, Prediction]] = []
        self.layouts: list[dict[str, slice]] = []

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        return [*rows, *self.asked]

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        self.seen.append(dict(rows))
        self.layouts.append(dict(ctx.layout))
        return prediction if self.use is None else rows[self.use]


def test_rows_are_batched_into_one_call_and_found_by_name() -> None:
    network, source = ToyNetwork(), torch.full(SHAPE, 0.2)
    ask = Ask(
        Branch("uncond", told(0.0)), Branch("cond", told(0.3)), Branch("source", told(0.6, 2), x=source), use="cond"
    )
    ctx = context(network)
    xs = trajectory(ctx, [ask], rows=())
    assert len(network.calls) == 8
    x, level, cond, _ = network.calls[0]
    assert x.shape[0] == 6
    assert cond.embeds is not None
    assert cond.embeds[:, 0, 0].tolist() == pytest.approx([0.0, 0.0, 0.3, 0.3, 0.6, 0.6])
    assert torch.equal(x[4:], source)
    assert ask.layouts[0] == {"uncond": slice(0, 2), "cond": slice(2, 4), "source": slice(4, 6)}
    assert list(ask.seen[0]) == ["uncond", "cond", "source"]
    assert isinstance(level, Level)
    alone = ToyNetwork().predict(source, level, told(0.6, 2))
    assert torch.equal(ask.seen[0]["source"].x0, alone.x0)
    assert (ctx.cost.forward_rows, ctx.cost.network_calls, ctx.cost.backward_rows) == (48, 8, 0)
    only = trajectory(context(), [], rows=[Branch("cond", told(0.3))])
    assert torch.equal(xs[-1], only[-1])


def test_the_first_given_row_is_the_default_prediction() -> None:
    both = trajectory(context(), [], rows=[Branch("cond", told(0.3)), Branch("uncond", told(0.0))])
    assert torch.equal(both[-1], trajectory(context(), [], rows=[Branch("cond", told(0.3))])[-1])


def test_a_row_that_is_known_beforehand_costs_nothing() -> None:
    zero = Prediction(torch.zeros(SHAPE), torch.zeros(SHAPE))
    ctx = context(network := ToyNetwork())
    xs = trajectory(ctx, rows=[Branch("stored", Conditioning(), known=zero)])
    assert torch.equal(xs[-1], torch.zeros(SHAPE))
    assert network.calls == []
    assert (ctx.cost.forward_rows, ctx.cost.network_calls) == (0, 0)


def test_nothing_to_predict_with_is_an_error() -> None:
    with pytest.raises(ValueError, match="no control asked for a row"):
        denoise(context(), [Same()])


def test_two_rows_of_one_name_are_an_error() -> None:
    with pytest.raises(ValueError, match="same name: cond, cond"):
        denoise(context(), [Asks(ROW), Ask(ROW)])


def test_rows_with_and_without_words_do_not_share_a_call_silently() -> None:
    with pytest.raises(ValueError, match="with and without"):
        denoise(context(), [Asks(Branch("cond", told(1.0)), Branch("uncond", Conditioning()))])


class Gradient(Control):
    """Takes the gradient of the sum of x0^2 with respect to the leaf."""

    def __init__(self) -> None:
        self.found: list[tuple[Tensor, Tensor]] = []
        self.names: list[tuple[bool, bool]] = []

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        assert ctx.leaf is not None
        (gradient,) = torch.autograd.grad(rows["cond"].x0.square().sum(), ctx.leaf)
        ctx.cost.backward(ctx.leaf.shape[0])
        self.found.append((ctx.leaf.detach().clone(), gradient))
        self.names.append((rows["cond"].x0.requires_grad, rows["uncond"].x0.requires_grad))
        return prediction


def test_grad_rows_give_a_leaf_whose_gradient_is_right() -> None:
    network = ToyNetwork(raw=lambda x, t: 0.4 * x)
    gradient = Gradient()
    ctx = context(network)
    rows = [Branch("cond", Conditioning(), grad=True), Branch("uncond", Conditioning())]
    with torch.no_grad():
        xs = trajectory(ctx, [gradient], rows)
    for i, (leaf, found) in enumerate(gradient.found):
        level = ctx.levels[i]
        factor = (1 - 0.4 * level.s) / level.a
        assert torch.allclose(found, 2 * factor**2 * leaf, rtol=1e-4)
        assert torch.equal(leaf, xs[i - 1] if i else ctx.noise.normal(SHAPE, "start", 0))
    assert set(gradient.names) == {(True, False)}
    assert not any(x.requires_grad for x in xs)
    assert not any(visit.prediction.eps.requires_grad or visit.x.requires_grad for visit in ctx.history)
    assert (ctx.cost.forward_rows, ctx.cost.network_calls, ctx.cost.backward_rows) == (32, 16, 16)


def test_a_graph_that_is_asked_for_changes_no_bit_of_the_result() -> None:
    assert torch.equal(
        trajectory(context(), [], [Branch("cond", Conditioning(), grad=True)])[-1], trajectory(context())[-1]
    )


def test_without_a_grad_row_no_graph_is_kept() -> None:
    weight = torch.tensor(0.4, requires_grad=True)
    ask = Ask()
    ctx = context(ToyNetwork(raw=lambda x, t: weight * x))
    trajectory(ctx, [ask])
    assert ctx.leaf is None
    assert not ask.seen[0]["cond"].x0.requires_grad


class Back(Control):
    """Goes back to ``to`` the first ``times`` times that step ``at`` is done."""

    def __init__(self, at: int, to: int, times: int) -> None:
        self.at, self.to, self.left = at, to, times

    def after(self, ctx: RunState, move: Transition) -> Transition:
        if ctx.i != self.at or self.left == 0:
            return move
        self.left -= 1
        return replace(move, jump=Start(torch.full(SHAPE, 0.1), self.to))


def test_a_jump_repeats_steps_and_goes_on() -> None:
    seen: list[tuple[int, int]] = []
    network = ToyNetwork()
    end = denoise(
        context(network), [Asks(ROW), Back(at=4, to=3, times=2)], lambda ctx, _: seen.append((ctx.i, ctx.repeat))
    )
    order = [0, 1, 2, 3, 4, 3, 4, 3, 4, 5, 6, 7]
    assert [i for i, _ in seen] == order
    assert [visit for _, visit in seen] == [0, 0, 0, 0, 0, 1, 1, 2, 2, 0, 0, 0]
    assert len(network.calls) == len(order)
    assert torch.equal(network.calls[5][0], torch.full(SHAPE, 0.1))
    assert torch.equal(end, trajectory(context(), [StartAt(0.1, 3)])[-1])


def test_a_repeated_step_draws_fresh_noise_and_the_first_visit_the_usual_one() -> None:
    noises: list[Tensor | None] = []
    ctx = context(solver=Ddim(eta=1.0))
    denoise(ctx, [Asks(ROW), Back(at=2, to=1, times=1)], lambda _, result: noises.append(result.move.noise))
    usual, first, again = (ctx.noise.normal(SHAPE, "step", 1), noises[1], noises[3])
    assert first is not None
    assert again is not None
    assert torch.equal(first, usual)
    assert (again - usual).abs().max() > 0.1


def test_a_jump_forgets_the_history_of_a_multistep_solver() -> None:
    solver = DpmSolverPP2M(8)
    back = trajectory(context(levels=levels(8), solver=solver), [Back(at=4, to=3, times=1)])
    fresh = trajectory(context(levels=levels(8), solver=solver), [StartAt(0.1, 3)])
    assert torch.equal(back[-1], fresh[-1])


def test_a_constraint_acts_on_a_repeated_tensor_at_the_level_it_went_to() -> None:
    class Witness(Constraint):
        def __init__(self) -> None:
            self.before_at: list[int] = []
            self.after_at: list[int] = []

        def before(self, ctx: RunState, x: Tensor) -> Tensor:
            self.before_at.append(ctx.i)
            return x

        def settle(self, ctx: RunState, x: Tensor) -> Tensor:
            self.after_at.append(ctx.i + 1)
            return x

    witness = Witness()
    trajectory(context(levels=levels(3)), [witness, Back(at=1, to=0, times=1)])
    assert witness.before_at == [0, 1, 0, 1, 2]
    assert witness.after_at == [1, 1, 2, 3]


def test_going_back_for_ever_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MAX_VISITS", 40)
    with pytest.raises(RuntimeError, match="40"):
        denoise(context(), [Asks(ROW), Back(at=1, to=0, times=1000)])


def test_a_callback_that_returns_false_stops_after_that_step_and_none_does_not() -> None:
    network = ToyNetwork()
    with pytest.raises(Stopped):
        denoise(context(network), [Asks(ROW)], lambda ctx, _: ctx.i < 2)
    assert len(network.calls) == 3
    denoise(context(network), [Asks(ROW)], lambda ctx, _: None)


def test_the_callback_sees_the_finished_step_and_its_prediction() -> None:
    def check(ctx: RunState, result: StepResult) -> None:
        expected = ctx.next_level.a * result.prediction.x0 + ctx.next_level.s * result.prediction.eps
        assert torch.allclose(result.x, expected, atol=1e-6)

    denoise(context(), [Asks(ROW)], check)


class Fails(Control):
    def __init__(self, hook: str) -> None:
        def fail(ctx: RunState, *_: Any) -> Any:
            if ctx.i == 3 or hook == "start":
                raise KeyError(hook)
            return _[-1] if _ else ()

        setattr(self, hook, fail)


@pytest.mark.parametrize("hook", ["start", "branches", "taps", "before", "predict", "after", "on_step"])
@pytest.mark.parametrize("solver", [DpmSolverPP2M(8), Plms()])
def test_an_exception_in_a_hook_passes_through_and_leaves_nothing_behind(hook: str, solver: Solver) -> None:
    ctx = context(levels=levels(8, solver.name), solver=solver)
    asks = Asks(Branch("cond", Conditioning(), grad=True))
    on_step: Callable[[RunState, StepResult], bool] | None = None
    controls: list[Control] = [asks, Fails(hook)]
    if hook == "on_step":
        controls, on_step = [asks], lambda ctx, _: ctx.i < 3
    with torch.no_grad():
        with pytest.raises((KeyError, Stopped)):
            denoise(ctx, controls, on_step)
        assert not torch.is_grad_enabled()
    again = trajectory(ctx)
    assert torch.equal(again[-1], trajectory(context(levels=ctx.levels, solver=solver))[-1])


def test_a_failing_network_restores_the_gradient_mode() -> None:
    def broken(x: Tensor, t: Any) -> Tensor:
        raise ZeroDivisionError

    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            with pytest.raises(ZeroDivisionError):
                denoise(context(ToyNetwork(raw=broken)), [Asks(Branch("cond", Conditioning(), grad=not mode))])
            assert torch.is_grad_enabled() is mode


def test_a_run_remembers_no_more_visits_than_its_solver_needs() -> None:
    for solver, memory in ((Ddim(), 0), (DpmSolverPP2M(8), 1), (Plms(), 4)):
        ctx = context(levels=levels(8, solver.name), solver=solver)
        trajectory(ctx)
        assert len(ctx.history) == memory + 1


def test_evaluations_outside_the_rows_are_counted_too() -> None:
    class Extra(Control):
        def before(self, ctx: RunState, x: Tensor) -> Tensor:
            x = x.detach().requires_grad_(True)
            prediction = ctx.evaluate(x, ctx.level, Conditioning(), grad=True)
            assert prediction.x0.requires_grad
            assert not ctx.evaluate(x, [ctx.level] * 2, told(0.0)).x0.requires_grad
            return x.detach()

    ctx = context()
    trajectory(ctx, [Extra()])
    assert (ctx.cost.forward_rows, ctx.cost.network_calls) == (8 * 6, 8 * 3)


def test_clipping_happens_after_the_predict_hooks_on_what_the_step_uses() -> None:
    class Loud(Control):
        def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
            return replace(prediction, x0=prediction.x0 * 100)

    seen: list[float] = []
    denoise(
        context(ToyNetwork(clip_sample=0.8)),
        [Asks(ROW), Loud()],
        lambda _, result: seen.append(float(result.prediction.x0.abs().max())),
    )
    assert seen == pytest.approx([0.8] * 8)


def test_an_asymmetric_prediction_moves_with_its_own_direction() -> None:
    x0, direction = torch.full(SHAPE, 0.3), torch.full(SHAPE, -2.0)

    class Split(Control):
        def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
            return Prediction(x0, direction)

    ctx = context(ToyNetwork(clip_sample=1.0))
    for i, x in enumerate(trajectory(ctx, [Split()])):
        target = ctx.levels[i + 1]
        assert torch.equal(x, target.a * x0 + target.s * direction)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_sample_is_the_same_alone_and_in_a_batch(eta: float) -> None:
    both = trajectory(context(solver=Ddim(eta), noise=CounterNoise([11, 12])))[-1]
    for i, seed in enumerate((11, 12)):
        shape = (1, *SHAPE[1:])
        alone = trajectory(context(solver=Ddim(eta), noise=CounterNoise([seed]), shape=shape))[-1]
        assert torch.allclose(alone[0], both[i], atol=1e-6)


def test_the_tag_of_a_context_gives_another_run_other_noise() -> None:
    ctx = context()
    tagged = replace(ctx, tag="second/")
    assert (tagged.normal("start", 0) - ctx.normal("start", 0)).abs().max() > 0.1


def test_a_single_row_of_conditioning_serves_a_batch_and_two_cannot_serve_three() -> None:
    cond = Conditioning(torch.ones(1, 2, 3), torch.ones(1, 4), torch.ones(1, 6)).expand(3)
    assert [t.shape[0] for t in (cond.embeds, cond.pooled, cond.time_ids) if t is not None] == [3, 3, 3]
    mixed = Conditioning(torch.ones(3, 2, 3), time_ids=torch.ones(1, 6)).expand(3)
    assert mixed.time_ids is not None
    assert mixed.time_ids.shape == (3, 6)
    with pytest.raises(ValueError, match="2 rows cannot serve a batch of 3"):
        told(0.0, 2).expand(3)
    assert Conditioning().expand(5).embeds is None
