"""Which controls do not go together, and why: asked before a run that a person put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from scumble.controls.asymmetric_step import AsymmetricStep
from scumble.controls.change_map import ChangeMap
from scumble.controls.energy_guidance import EnergyGuidance
from scumble.controls.stored_noise import StoredNoise
from scumble.core.control import Control, RunState
from scumble.core.guidance import Guidance
from scumble.core.schedule import Level
from scumble.errors import MethodError
from scumble.methods.attention.attention_match import AttentionMatch
from scumble.methods.attention.attention_swap import AttentionSwap
from scumble.methods.attention.feature_injection import FeatureInjection
from scumble.methods.drag.reference_attention import ReferenceAttention
from scumble.methods.guidance.resample import Resample
from scumble.methods.inpainting.background_blend import BackgroundBlend

__all__ = ["combine_controls", "check_conflicts"]

WRITERS = (AttentionSwap, FeatureInjection, ReferenceAttention)
EVERYWHERE = range(10**9)


def combine_controls(ctx: RunState, controls: Sequence[Control], extra: Sequence[Control]) -> list[Control]:
    """Put what acts besides a method behind the method's own controls.

    Raises:
        MethodError: If they do not go together.
    """
    guidance = next((control for control in controls if isinstance(control, Guidance)), None)
    more = [replace(c, guidance=c.guidance or guidance) if isinstance(c, AsymmetricStep) else c for c in extra]
    made = [*controls, *more]
    check_conflicts(ctx, made)
    return made


def check_conflicts(ctx: RunState, controls: Sequence[Control]) -> None:
    """Refuse what has no meaning together; what commutes or has a fixed order passes.

    Raises:
        MethodError: With the reason and the way out.
    """
    for one in controls:
        _alone(ctx, one)
    for one, other in combinations(controls, 2):
        for first, second, refuse in _PAIRS:
            for a, b in ((one, other), (other, one)):
                if isinstance(a, first) and isinstance(b, second):
                    refuse(ctx, a, b)


def _alone(ctx: RunState, control: Control) -> None:
    if isinstance(control, StoredNoise):
        _same_run(ctx, control)
    if ctx.solver.name != "plms" or not isinstance(control, EnergyGuidance):
        return
    if any(guide.weight and guide.place == "x0" for guide in control.guides):
        raise MethodError("plms makes its step of eps alone, a shift of x0 has no effect: use place eps, or ddim")


def _same_run(ctx: RunState, stored: StoredNoise) -> None:
    """A stored path is valid for its own levels and its own noise only."""
    inversion = stored.inversion

    def plain(levels: Sequence[Level]) -> list[tuple[float, float]]:
        return [(round(level.t, 3), round(level.a, 6)) for level in levels]

    if plain(inversion.levels) != plain(ctx.levels):
        raise MethodError("the stored path has other levels than this run: use its steps and schedule, or invert again")
    eta = getattr(ctx.solver, "eta", 0.0)
    if inversion.zs is not None and (ctx.solver.name != "ddim" or eta != inversion.eta):
        raise MethodError(
            f"the stored noise is that of ddim steps with eta {inversion.eta:g}, this run takes {ctx.solver.name} steps"
            f" with eta {eta:g}: use the inversion's, or invert again"
        )


def _repeat(ctx: RunState, stored: Any, again: Any) -> None:
    if again.times > 1 and stored.inversion.zs is not None:
        raise MethodError(
            "stored noise is valid for one visit of a level, but a step is to be taken several times:"
            " use resample 1, or start without an inversion"
        )


def _twins(ctx: RunState, shift: Any, writer: Any) -> None:
    raise MethodError(
        "a shift of the bottleneck evaluates the edited rows a second time, where attention would not be replaced:"
        " use one of the two"
    )


def _two_shifts(ctx: RunState, one: Any, other: Any) -> None:
    raise MethodError("two shifts of the bottleneck act in one run: give both directions to one of them")


def _two_holds(ctx: RunState, one: Any, other: Any) -> None:
    raise MethodError("a change map and a blend of the background both say what is kept: use one of them")


def _same_layers(ctx: RunState, one: Any, other: Any) -> None:
    (mine, my_steps), (theirs, their_steps) = _writes(one), _writes(other)
    common = mine & theirs
    together = range(max(my_steps.start, their_steps.start), min(my_steps.stop, their_steps.stop))
    if common and len(together) > 0:
        raise MethodError(
            f"{type(one).__name__} and {type(other).__name__} both replace self-attention in {len(common)} layers, and"
            " the last would win: give them different layers or different steps"
        )


def _writes(writer: Any) -> tuple[set[str], range]:
    """Self-attention modules that are written, and at which steps."""
    if isinstance(writer, AttentionSwap):
        window = writer.self_window
        return set(writer.sites.own), range(window.start + writer.first, window.stop + writer.first)
    if isinstance(writer, FeatureInjection):
        paths = {path.rpartition(".to_")[0] for path in writer.sites.attention}
        return paths, writer.attention_steps
    return set(writer.layers), EVERYWHERE[writer.first :]


def _dead(ctx: RunState, swap: Any, energies: Any) -> None:
    """A map that is overwritten carries no gradient to x."""
    opened = {k + swap.first for k in range(len(swap.gates)) if bool((swap.gates[k] >= 1).all())}
    for guide in energies.guides:
        read = set(guide.energy.reads.attention)
        steps = {i for i in range(swap.first, ctx.steps) if guide.factor(i, ctx.steps)}
        if read and steps and read <= set(swap.sites.cross) and steps <= opened:
            raise MethodError(
                f"energy {guide.energy.name} reads attention that is replaced at every step where it acts, so it has"
                " no gradient: let the replacement end earlier, or guide other layers"
            )


_PAIRS: list[tuple[type | tuple[type, ...], type | tuple[type, ...], Callable[[RunState, Any, Any], None]]] = [
    (StoredNoise, Resample, _repeat),
    (AsymmetricStep, (*WRITERS, AttentionMatch), _twins),
    (AsymmetricStep, AsymmetricStep, _two_shifts),
    (ChangeMap, BackgroundBlend, _two_holds),
    (WRITERS, WRITERS, _same_layers),
    (AttentionSwap, EnergyGuidance, _dead),
]
