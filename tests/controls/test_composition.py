"""Which controls go together: the table of the design, row by row."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.attention_match import AttentionMatch, StoredReference
from scumble.controls.attention_swap import AttentionSwap, SwapSites
from scumble.controls.background_blend import BackgroundBlend
from scumble.controls.bottleneck import Bottleneck
from scumble.controls.change_map import ChangeMap
from scumble.controls.composition import composed, refuse_conflicts
from scumble.controls.energy import EnergyGuidance
from scumble.controls.feature_injection import FeatureInjection, InjectionSites
from scumble.controls.guidance import Guidance
from scumble.controls.hspace import BottleneckShift
from scumble.controls.network_gradient import NetworkGradient
from scumble.controls.reference_attention import ReferenceAttention
from scumble.controls.resample import Resample
from scumble.controls.stored import StoredNoise
from scumble.controls.token_alignment import TokenMap
from scumble.core.conditioning import Conditioning
from scumble.core.control import Context, Control
from scumble.core.solvers import Ddim, Plms, Solver
from scumble.energies.attention import Columns, Size
from scumble.energies.clip_terms import RangeTerm
from scumble.energies.protocol import Function, Guide, during
from scumble.errors import MethodError
from scumble.inversion.trajectory import Inversion
from tests.core.toys import context

NOTHING = Conditioning()


def energies(place: Any = "eps", steps: Any = None) -> EnergyGuidance:
    energy = Function(lambda seen: seen.clean.mean((1, 2, 3)))
    return EnergyGuidance([Guide(energy, 1.0, place, steps or during())], NOTHING)


def swap(until: int = 8, own: range = range(8)) -> AttentionSwap:
    gates = torch.zeros(8, 5)
    gates[:until] = 1
    return AttentionSwap(SwapSites(("a.attn2",), ("a.attn1", "b.attn1")), TokenMap.identity(5), gates, None, own)


def injection(steps: range = range(8), path: str = "a.attn1") -> FeatureInjection:
    sites = InjectionSites("r.conv2", (f"{path}.to_q", f"{path}.to_k"))
    return FeatureInjection(sites, lambda i: torch.zeros(1), NOTHING, range(8), steps)


def shift() -> BottleneckShift:
    return BottleneckShift(lambda h, temb, t: h, 0)


def on_sites(steps: Any) -> EnergyGuidance:
    return EnergyGuidance([Guide(Size(("a.attn2",), Columns((1,), (1,))), 1.0, steps=steps)], NOTHING)


def stored(ctx: Context, eta: float = 1.0) -> StoredNoise:
    xs = torch.zeros(ctx.steps + 1, 1, 3, 4, 5)
    return StoredNoise(Inversion("edit-friendly", ctx.levels, 0, xs, zs=xs[:-1], eta=eta))


def hold() -> ChangeMap:
    return ChangeMap(torch.zeros(1, 1, 4, 5, dtype=torch.int64), lambda ctx, i: torch.zeros(1))


def blend() -> BackgroundBlend:
    mask = torch.ones(1, 1, 4, 5, dtype=torch.bool)
    return BackgroundBlend(lambda i: mask, mask, lambda ctx, i: torch.zeros(1))


def noisy() -> Context:
    return context(solver=Ddim(eta=1.0))


def refused(controls: list[Control], ctx: Context | None = None) -> str | None:
    ctx = ctx or noisy()
    for order in (controls, controls[::-1]):
        try:
            refuse_conflicts(ctx, order)
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
    assert refused([NetworkGradient([]), energies()]) is None
    assert refused([stored(ctx), Resample(0, 1)], ctx) is None


@pytest.mark.parametrize(
    ("controls", "says"),
    [
        ([NetworkGradient([RangeTerm()]), energies()], "graph is spent"),
        ([shift(), shift()], "two shifts"),
        ([shift(), swap()], "second time"),
        ([shift(), injection()], "second time"),
        ([shift(), ReferenceAttention(("a.attn1",))], "second time"),
        ([shift(), AttentionMatch(("a",), StoredReference(NOTHING, lambda i: torch.zeros(1)), NOTHING)], "second time"),
        ([hold(), blend()], "what is kept"),
        ([swap(), injection()], "the last would win"),
        ([swap(), ReferenceAttention(("b.attn1",))], "the last would win"),
        ([swap(), on_sites(during())], "no gradient"),
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
    assert refused([swap(until=4), on_sites(during())]) is None
    assert refused([swap(until=8), on_sites(during(1.0))]) is None


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
    made = composed(noisy(), [guidance], [shift(), energies()])
    assert isinstance(made[1], BottleneckShift)
    assert made[1].guidance is guidance


class Writing(Control):
    """A plain control of somebody's own."""

    def before(self, ctx: Context, x: Tensor) -> Tensor:
        return x


def test_controls_of_ones_own_pass() -> None:
    assert refused([Writing(), hold(), energies()]) is None
