"""Which controls go together: the table of the design, row by row."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.asymmetric_step import AsymmetricStep
from scumble.controls.change_map import ChangeMap
from scumble.controls.conflicts import check_conflicts, combine_controls
from scumble.controls.energy_guidance import EnergyGuidance
from scumble.controls.stored_noise import StoredNoise
from scumble.core.conditioning import Conditioning
from scumble.core.control import Control, RunState
from scumble.core.guidance import Guidance
from scumble.core.plms import Plms
from scumble.core.solver import Solver
from scumble.core.solvers import Ddim
from scumble.core.traits import Traits
from scumble.energies.attention import Size
from scumble.energies.protocol import ActiveDuring, Function, WeightedEnergy
from scumble.energies.words import Columns
from scumble.errors import MethodError
from scumble.inversion.inversion import Inversion
from scumble.methods.attention.attention_match import AttentionMatch
from scumble.methods.attention.attention_reference import StoredReference
from scumble.methods.attention.attention_swap import AttentionSwap
from scumble.methods.attention.feature_injection import FeatureInjection
from scumble.methods.attention.injection_sites import InjectionSites
from scumble.methods.attention.swap_sites import SwapSites
from scumble.methods.attention.token_alignment import TokenMap
from scumble.methods.drag.bottleneck import Bottleneck
from scumble.methods.drag.reference_attention import ReferenceAttention
from scumble.methods.guidance.resample import Resample
from scumble.methods.inpainting.background_blend import BackgroundBlend
from tests.support.toys import context

NOTHING = Conditioning()


def energies(place: Any = "eps", steps: Any = None) -> EnergyGuidance:
    energy = Function(lambda seen: seen.clean.mean((1, 2, 3)))
    return EnergyGuidance([WeightedEnergy(energy, 1.0, place, steps or ActiveDuring())], NOTHING)


def nowhere(ctx: RunState, i: int) -> Tensor:
    return torch.zeros(1)


def swap(until: int = 8, own: range = range(8)) -> AttentionSwap:
    gates = torch.zeros(8, 5)
    gates[:until] = 1
    return AttentionSwap(
        SwapSites(("a.attn2",), ("a.attn1", "b.attn1")), TokenMap(torch.eye(5), torch.zeros(5)), gates, None, own
    )


def injection(steps: range = range(8), path: str = "a.attn1") -> FeatureInjection:
    sites = InjectionSites("r.conv2", (f"{path}.to_q", f"{path}.to_k"))
    return FeatureInjection(sites, nowhere, NOTHING, range(8), steps)


def shift() -> AsymmetricStep:
    return AsymmetricStep(lambda h, temb, t: h, 0)


def on_sites(steps: Any) -> EnergyGuidance:
    return EnergyGuidance([WeightedEnergy(Size(("a.attn2",), Columns((1,), (1,))), 1.0, steps=steps)], NOTHING)


def stored(ctx: RunState, eta: float = 1.0) -> StoredNoise:
    xs = torch.zeros(ctx.steps + 1, 1, 3, 4, 5)
    return StoredNoise(Inversion("edit-friendly", ctx.levels, 0, xs, zs=xs[:-1], eta=eta))


def hold() -> ChangeMap:
    return ChangeMap(torch.zeros(1, 1, 4, 5, dtype=torch.int64), lambda ctx, i: torch.zeros(1))


def blend() -> BackgroundBlend:
    mask = torch.ones(1, 1, 4, 5, dtype=torch.bool)
    return BackgroundBlend(lambda i: mask, mask, lambda ctx, i: torch.zeros(1))


def noisy() -> RunState:
    return context(solver=Ddim(eta=1.0))


def refused(controls: list[Control], ctx: RunState | None = None) -> str | None:
    ctx = ctx or noisy()
    for order in (controls, controls[::-1]):
        try:
            check_conflicts(ctx, order)
        except MethodError as error:
            said = str(error)
        else:
            said = None
    return said


def test_what_commutes_or_has_an_order_passes() -> None:
    ctx = noisy()
    assert refused([hold(), stored(ctx), energies(), shift()], ctx) is None
    assert refused([stored(ctx), swap(), hold()], ctx) is None
    assert refused([energies("eps"), energies("mean")]) is None
    assert refused([Bottleneck(torch.zeros(1), 3), shift()]) is None
    assert refused([energies(), energies()]) is None
    assert refused([stored(ctx), Resample(0, 1)], ctx) is None


@pytest.mark.parametrize(
    ("controls", "says"),
    [
        ([shift(), shift()], "two shifts"),
        ([shift(), swap()], "second time"),
        ([shift(), injection()], "second time"),
        ([shift(), ReferenceAttention(("a.attn1",))], "second time"),
        (
            [shift(), AttentionMatch(("a",), StoredReference(NOTHING, lambda ctx, i: torch.zeros(1)), NOTHING)],
            "second time",
        ),
        ([hold(), blend()], "what is kept"),
        ([swap(), injection()], "the last would win"),
        ([swap(), ReferenceAttention(("b.attn1",))], "the last would win"),
        ([swap(), on_sites(ActiveDuring())], "no gradient"),
    ],
)
def test_what_has_no_meaning_together_is_refused_with_the_reason(controls: list[Control], says: str) -> None:
    told = refused(controls)
    assert told is not None
    assert says in told


def test_writers_of_other_layers_or_steps_go_together() -> None:
    assert refused([swap(), injection(path="c.attn1")]) is None
    assert refused([swap(own=range(4)), injection(range(4, 8))]) is None
    assert refused([swap(own=range(4)), ReferenceAttention(("a.attn1",), first=4)]) is None


def test_energies_act_on_attention_that_is_set_free_in_time() -> None:
    assert refused([swap(until=4), on_sites(ActiveDuring())]) is None
    assert refused([swap(until=8), on_sites(ActiveDuring(1.0))]) is None


def test_stored_noise_is_for_its_own_run_alone() -> None:
    ctx = noisy()
    assert "taken several times" in str(refused([stored(ctx), Resample(0, 3)], ctx))
    assert "eta 1" in str(refused([stored(ctx)], context(solver=Ddim(eta=0.5))))
    other = context(levels=ctx.levels[1:], solver=Ddim(eta=1.0))
    assert "other levels" in str(refused([stored(ctx)], other))


@pytest.mark.parametrize(
    ("solver", "place", "ok"), [(Plms(), "x0", False), (Plms(), "eps", True), (Ddim(), "x0", True)]
)
def test_a_shift_of_x0_needs_a_step_that_is_made_of_it(solver: Solver, place: str, ok: bool) -> None:
    assert (refused([energies(place)], context(solver=solver)) is None) is ok


def test_a_shift_of_the_bottleneck_is_guided_as_the_run_is() -> None:
    guidance = Guidance(NOTHING, NOTHING, 3.0)
    made = combine_controls(noisy(), [guidance], [shift(), energies()])
    assert isinstance(made[1], AsymmetricStep)
    assert made[1].guidance is guidance


class Writing(Control):
    """A plain control of somebody's own."""

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        return x


def test_controls_of_ones_own_pass() -> None:
    assert refused([Writing(), hold(), energies()]) is None


def test_what_acts_besides_stands_in_front_of_a_control_that_comes_last() -> None:
    again, besides = Resample(0, 3), energies()
    combined = combine_controls(context(), [hold(), again], [besides])
    assert combined[-1] is again
    assert besides in combined[:-1]


def test_a_new_control_is_told_by_what_it_declares_alone() -> None:
    class Another(Control):
        def traits(self, ctx: RunState) -> Traits:
            return Traits(keeps="a hand of mine")

    assert "a change map and a hand of mine both say what is kept" in str(refused([hold(), Another()]))
