"""Guidance by energies: neutral at weight 0, the places agree with each other, one graph, one backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.activation_reader import ActivationReader
from scumble.controls.change_map import ChangeMap
from scumble.controls.energy_guidance import EnergyGuidance
from scumble.controls.energy_sources import SourceRow
from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, StepResult, Transition
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.prediction import Prediction
from scumble.core.schedule import conditional_variance
from scumble.core.solver import Solver
from scumble.core.solvers import Ddim
from scumble.energies.attention import Centroid, Shape
from scumble.energies.look import Appearance
from scumble.energies.protocol import ActiveDuring, Function, Needs, Observation, WeightedEnergy
from scumble.energies.sites import attention_sites, feature_site, site_sizes
from scumble.energies.words import Columns
from scumble.errors import MethodError
from scumble.models.base import Model
from scumble.models.taps import Tap
from tests.support.toys import Asks, context

PROMPT = "a cat on sand"
STEPS = 4


@dataclass
class Remember(Control):
    """Remember what happened at each step."""

    moves: list[Transition] = field(default_factory=list)
    layouts: list[set[str]] = field(default_factory=list)

    def after(self, ctx: RunState, move: Transition) -> Transition:
        self.moves.append(move)
        return move


def cubes(seen: Observation) -> Tensor:
    return seen.clean.pow(3).mean((1, 2, 3))


def batch(model: Model, solver: Solver | None = None, batch: int = 1, steps: int = STEPS) -> RunState:
    levels = model.schedule.levels(steps)
    noise = CounterNoise(range(3, 3 + batch))
    return RunState(model, levels, solver or Ddim(), noise, (batch, 4, 8, 8), torch.device("cpu"), Cost())


def words(model: Model, scale: float = 3.0) -> Guidance:
    return Guidance(model.embed([PROMPT]), model.embed([""]), scale)


def shapes_kept(model: Model) -> tuple[list[WeightedEnergy], ActivationReader]:
    shape = (1, 4, 8, 8)
    sites = attention_sites(model.denoiser, shape)
    columns = Columns((1, 2), (1, 2))
    looks = Appearance(sites, columns, source=None, features=feature_site(model.denoiser))
    looks.source = "source"
    guides = [
        WeightedEnergy(Shape(sites, columns), 2.0),
        WeightedEnergy(looks, 0.5),
        WeightedEnergy(Centroid(sites, columns, by=(0.2, 0.0)), 1.0),
    ]
    return guides, ActivationReader(site_sizes(model.denoiser, shape))


def guided(
    model: Model,
    guides: Sequence[WeightedEnergy],
    ctx: RunState | None = None,
    extra: Sequence[Control] = (),
    **kind: Any,
) -> tuple[Tensor, RunState, EnergyGuidance]:
    ctx = ctx or batch(model)
    guidance = words(model)
    _, reader = shapes_kept(model)
    start = ctx.noise.normal((1, 4, 8, 8) if ctx.shape[0] == 1 else ctx.shape, "other", 0)[:1]
    source = SourceRow(model.embed([PROMPT]), lambda ctx, i: ctx.noised(start, start, i))
    energy = EnergyGuidance(guides, guidance.cond, reader, {"source": source}, **kind)
    with torch.no_grad():
        return denoise(ctx, [*extra, guidance, energy]), ctx, energy


def plain(model: Model, ctx: RunState | None = None) -> Tensor:
    with torch.no_grad():
        return denoise(ctx or batch(model), [words(model)])


def test_weight_zero_and_inactive_steps_change_no_bit_and_cost_nothing(tiny_sd: Model) -> None:
    ctx = batch(tiny_sd)
    before = plain(tiny_sd, ctx)
    guides, _ = shapes_kept(tiny_sd)
    off = [WeightedEnergy(g.energy, 0.0, place) for g in guides for place in ("x", "eps", "x0", "mean")]  # type: ignore[arg-type]
    idle = [WeightedEnergy(g.energy, 5.0, steps=ActiveDuring(0.9, 0.9)) for g in guides]
    for quiet in (off, idle):
        after, cost, _ = guided(tiny_sd, quiet)
        assert torch.equal(before, after)
        assert cost.cost == ctx.cost


def test_a_guide_changes_the_result(tiny_sd: Model) -> None:
    for guide in shapes_kept(tiny_sd)[0]:
        assert not torch.equal(plain(tiny_sd), guided(tiny_sd, [guide])[0])


def test_all_energies_of_a_place_share_one_backward_and_the_source_one_row(tiny_sd: Model) -> None:
    guides, _ = shapes_kept(tiny_sd)
    _, ctx, _ = guided(tiny_sd, guides)
    # each step: uncond and source in one call without a graph, cond in one with it
    assert (ctx.cost.forward_rows, ctx.cost.network_calls, ctx.cost.backward_rows) == (3 * STEPS, 2 * STEPS, STEPS)
    half = [WeightedEnergy(g.energy, g.weight, steps=ActiveDuring(0, 0.5)) for g in guides]
    _, ctx, _ = guided(tiny_sd, half)
    assert (ctx.cost.forward_rows, ctx.cost.backward_rows) == (2 * STEPS + STEPS // 2, STEPS // 2)


def test_the_graph_ends_at_the_deepest_site_that_is_read(tiny_sd: Model) -> None:
    """Behind the last attention that is read nothing is kept for a backward; before it everything is."""
    guides, _ = shapes_kept(tiny_sd)
    last = "conv_norm_out"
    early = attention_sites(tiny_sd.denoiser, (1, 4, 8, 8))[-1].split(".attentions")[0] + ".resnets.0"
    seen: dict[str, list[bool]] = {last: [], early: []}

    @dataclass
    class Watch(Control):
        def taps(self, ctx: RunState) -> Sequence[Any]:
            def watch(path: str) -> Tap:
                return Tap(path, lambda t: seen[path].append(t.requires_grad) if "cond" in ctx.layout else None)

            return [watch(path) for path in seen]

    guided(tiny_sd, [guides[0]], extra=[Watch()])
    assert seen[early] == [True] * STEPS
    assert seen[last] == [False] * STEPS
    for found in seen.values():
        found.clear()
    looks_at_all = WeightedEnergy(Function(cubes), 1e-3)
    guided(tiny_sd, [guides[0], looks_at_all], extra=[Watch()])
    assert seen[last] == [True] * STEPS


def test_gradients_are_switched_on_again_afterwards(tiny_sd: Model) -> None:
    guides, _ = shapes_kept(tiny_sd)
    with torch.enable_grad():
        ctx, guidance = batch(tiny_sd), words(tiny_sd)
        _, reader = shapes_kept(tiny_sd)
        x = ctx.normal("start", 0)
        source = SourceRow(guidance.cond, lambda ctx, i: x)
        denoise(ctx, [guidance, EnergyGuidance([guides[0]], guidance.cond, reader, {"source": source})])
        assert torch.is_grad_enabled()


def test_stopping_the_graph_early_changes_no_gradient(tiny_sd: Model) -> None:
    guides, _ = shapes_kept(tiny_sd)
    nothing = WeightedEnergy(Function(lambda seen: 0 * seen.clean.mean((1, 2, 3)), called="nothing"), 1.0)
    short, _, _ = guided(tiny_sd, [guides[0]])
    whole, _, _ = guided(tiny_sd, [guides[0], nothing])
    torch.testing.assert_close(short, whole, rtol=1e-4, atol=1e-5)


def test_samples_do_not_see_each_other(tiny_sd: Model) -> None:
    guides, _ = shapes_kept(tiny_sd)
    both = guided(tiny_sd, guides, batch(tiny_sd, batch=2), cap=0.2)[0]
    first = guided(tiny_sd, guides, batch(tiny_sd, batch=1), cap=0.2)[0]
    torch.testing.assert_close(both[:1], first, rtol=1e-3, atol=1e-4)


def one_step(place: str, eta: float, **kind: Any) -> tuple[Tensor, Tensor, RunState, Tensor]:
    """x after one step of a toy in float64, without and with an energy at a place; and the gradient."""

    class Wide:
        clip_sample = None

        def predict(self, x: Tensor, level: Any, cond: Conditioning, taps: Sequence[Any] = ()) -> Prediction:
            return Prediction.from_eps(0.7 * torch.tanh(x) + 0.2 * x * x.mean((1, 2, 3), keepdim=True), x, level)

    ctx = context(Wide(), solver=Ddim(eta=eta))
    noise = torch.randn(ctx.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    @dataclass
    class Fixed(Control):
        def start(self, ctx: RunState) -> Any:
            from scumble.core.control import Start

            g = torch.Generator().manual_seed(2)
            return Start(torch.randn(ctx.shape, generator=g, dtype=torch.float64), ctx.steps - 4)

        def after(self, ctx: RunState, move: Transition) -> Transition:
            from dataclasses import replace

            return replace(move, noise=noise)

    found: list[Tensor] = []

    def stop(ctx: RunState, result: StepResult) -> bool | None:
        found.append(result.x)
        return False if len(found) else None

    gradient: list[Tensor] = []

    def energy(seen: Observation) -> Tensor:
        if seen.x.requires_grad:
            seen.x.register_hook(lambda g: gradient.append(g))
        return seen.clean.pow(3).sum((1, 2, 3))

    from scumble.core.loop import Stopped

    row = Asks(Branch("cond", Conditioning()))
    for guides in ([], [WeightedEnergy(Function(energy), 1e-2, place, **kind)]):  # type: ignore[arg-type]
        with pytest.raises(Stopped), torch.no_grad():
            denoise(ctx, [row, Fixed(), EnergyGuidance(guides, Conditioning())], stop)
    leaf = Fixed().start(ctx).x.requires_grad_(True)
    ctx.i = ctx.steps - 4
    whole = Wide().predict(leaf, ctx.level, Conditioning()).x0.pow(3).sum()
    (slope,) = torch.autograd.grad(1e-2 * whole, leaf)
    return found[0], found[1], ctx, slope


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_places_have_the_effects_that_theory_gives(eta: float) -> None:
    """self_guidance section 9: exact effects of the three shifts on the next x."""
    bare, shifted, ctx, g = one_step("eps", eta)
    here, there = ctx.level, ctx.next_level
    q = eta * there.s * conditional_variance(here, there) ** 0.5 / here.s
    k = there.a / here.a * here.s
    c = k - (there.s**2 - q**2) ** 0.5
    torch.testing.assert_close(shifted - bare, -c * here.s * g, rtol=1e-6, atol=1e-12)
    bare, shifted, _, g = one_step("x0", eta)
    torch.testing.assert_close(shifted - bare, -there.a * g, rtol=1e-6, atol=1e-12)
    if eta:
        bare, shifted, _, g = one_step("mean", eta)
        torch.testing.assert_close(shifted - bare, -(q**2) * g, rtol=1e-6, atol=1e-12)


def test_eps_and_mean_are_the_same_with_full_noise() -> None:
    """With eta 1 and Sigma = beta / sqrt(alpha): to 1e-6."""
    _, at_eps, _, _ = one_step("eps", 1.0)
    bare, at_mean, _, _ = one_step("mean", 1.0, variance="beta")
    assert float((at_eps - bare).abs().max()) > 1e-4
    torch.testing.assert_close(at_mean - bare, at_eps - bare, rtol=1e-6, atol=1e-12)


def test_a_shift_of_x0_is_a_shift_of_the_mean() -> None:
    """x0 shifted by d / a' equals the mean shifted by d."""
    bare, at_x0, ctx, g = one_step("x0", 0.5)
    torch.testing.assert_close(at_x0, bare - ctx.next_level.a * g, rtol=1e-9, atol=1e-12)


def test_without_the_network_the_gradient_is_that_of_x0_alone() -> None:
    bare, shifted, ctx, _ = one_step("x0", 0.0, through_network=False)
    assert ctx.cost.backward_rows == 0
    with torch.no_grad():
        g = torch.Generator().manual_seed(2)
        x = torch.randn(ctx.shape, generator=g, dtype=torch.float64)
        x0 = ctx.network.predict(x, ctx.level, Conditioning()).x0
    expected = -ctx.next_level.a * 1e-2 * 3 * x0.square() / ctx.level.a
    torch.testing.assert_close(shifted - bare, expected, rtol=1e-6, atol=1e-12)


def test_at_x_the_network_is_left_early_and_evaluated_again(tiny_sd: Model) -> None:
    guides, _ = shapes_kept(tiny_sd)
    at_x = [WeightedEnergy(guides[0].energy, 0.5, "x", ActiveDuring(0, 0.5))]
    moved, ctx, _ = guided(tiny_sd, at_x)
    assert not torch.equal(moved, plain(tiny_sd))
    assert (ctx.cost.forward_rows, ctx.cost.backward_rows) == (2 * STEPS + 2 * (STEPS // 2), STEPS // 2)


def test_at_x_a_step_is_repeated_until_its_energy_is_low_enough(tiny_sd: Model) -> None:
    energy = Function(lambda seen: seen.clean.square().mean((1, 2, 3)))
    ctx = batch(tiny_sd)
    first: list[float] = []
    guided(tiny_sd, [WeightedEnergy(Function(lambda seen: _noted(energy, seen, first)), 0.5, "x")], ctx)
    goal = first[0] * 0.8
    values: list[float] = []
    watched = Function(lambda seen: _noted(energy, seen, values))
    guided(tiny_sd, [WeightedEnergy(watched, 0.5, "x", ActiveDuring(0, 1 / STEPS), refine={0: goal})])
    assert len(values) > 1
    assert values[-1] <= goal < values[-2]


def _noted(energy: Function, seen: Observation, into: list[float]) -> Tensor:
    value = energy(seen, None)
    into.append(float(value.detach()))
    return value


@pytest.mark.parametrize("place", ["x", "eps", "x0", "mean"])
def test_a_map_over_everything_with_the_stored_path_returns_the_picture(tiny_sd: Model, place: str) -> None:
    guides, _ = shapes_kept(tiny_sd)
    picture = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(9))

    def path(ctx: RunState, i: int) -> Tensor:
        return picture if i == ctx.steps else ctx.noised(picture, ctx.noise.normal(ctx.shape, "path", i), i)

    hold = ChangeMap(torch.full((1, 1, 8, 8), STEPS), path, skip=False)
    strong = [WeightedEnergy(g.energy, 50.0, place) for g in guides]  # type: ignore[arg-type]
    made, _, _ = guided(tiny_sd, strong, batch(tiny_sd, Ddim(eta=1.0)), extra=[hold])
    assert torch.equal(made, picture)


def test_the_cap_limits_every_sample_by_itself(tiny_sd: Model) -> None:
    sizes: list[Tensor] = []

    @dataclass
    class AsyrpShift(Control):
        def predict(self, ctx: RunState, rows: Any, prediction: Any) -> Any:
            own = rows["uncond"].towards(rows["cond"], 3.0)
            sizes.append(
                (prediction.eps - own.eps).square().mean((1, 2, 3)).sqrt() / own.eps.square().mean((1, 2, 3)).sqrt()
            )
            return prediction

    ctx, guidance = batch(tiny_sd, batch=2), words(tiny_sd)
    energy = EnergyGuidance([WeightedEnergy(Function(cubes), 1e6)], guidance.cond, cap=0.1)
    with torch.no_grad():
        denoise(ctx, [guidance, energy, AsyrpShift()])
    for found in sizes:
        torch.testing.assert_close(found, torch.full((2,), 0.1), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda seen: seen.clean.mean(), "expected one value per sample"),
        (lambda seen: 3.0, "expected one value per sample"),
        (lambda seen: seen.clean.mean((1, 2, 3)) * float("nan"), "step 1 of 4 is nan"),
        (lambda seen: seen.clean.detach().mean((1, 2, 3)), "does not depend"),
    ],
)
def test_bad_energies_are_named_with_their_step(tiny_sd: Model, value: Any, says: str) -> None:
    with pytest.raises(MethodError, match=says) as error:
        guided(tiny_sd, [WeightedEnergy(Function(value, called="wish"))])
    assert "energy wish" in str(error.value)


def test_an_energy_that_cannot_act_is_refused(tiny_sd: Model) -> None:
    with pytest.raises(MethodError, match="no noise"):
        guided(tiny_sd, [WeightedEnergy(Function(cubes), 1.0, "mean")])
    with pytest.raises(MethodError, match="guidance scale"):
        ctx = batch(tiny_sd)
        none = Guidance(tiny_sd.embed([PROMPT]), tiny_sd.embed([""]), 0.0)
        denoise(ctx, [none, EnergyGuidance([WeightedEnergy(Function(cubes))], none.cond)])
    site = Needs(attention=("up_blocks.9.attn2",))
    with pytest.raises(MethodError, match="no module"):
        guided(tiny_sd, [WeightedEnergy(Function(cubes, site))])
