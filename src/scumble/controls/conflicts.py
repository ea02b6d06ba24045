"""Refuse controls that do not go together, by the traits that they declare."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from scumble.core.control import Control, RunState
from scumble.core.traits import Traits
from scumble.errors import MethodError

__all__ = ["check_conflicts", "combine_controls"]


def combine_controls(ctx: RunState, controls: Sequence[Control], extra: Sequence[Control]) -> list[Control]:
    """Put what acts besides a method behind the method's own controls, in front of those that must come last.

    Raises:
        MethodError: If they do not go together.
    """
    last = [control for control in controls if control.traits(ctx).comes_last]
    others = [control for control in controls if not control.traits(ctx).comes_last]
    combined = [*others, *(control.beside(controls) for control in extra), *last]
    check_conflicts(ctx, combined)
    return combined


def check_conflicts(ctx: RunState, controls: Sequence[Control]) -> None:
    """Refuse what has no meaning together; what commutes or has a fixed order passes.

    Raises:
        MethodError: With the reason and the way out.
    """
    for control in controls:
        control.check(ctx)
    declared = [(type(control).__name__, control.traits(ctx)) for control in controls]
    for (name, one), (other_name, other) in permutations(declared, 2):
        _repeated(one, other)
        _second_evaluation(one, other)
        _two_keep(one, other)
        _same_layers(name, one, other_name, other)
        _no_gradient(one, other)


def _repeated(one: Traits, other: Traits) -> None:
    if one.needs_one_visit and other.repeats_steps:
        raise MethodError(
            "stored noise is valid for one visit of a level, but a step is to be taken several times:"
            " use resample 1, or start without an inversion"
        )


def _second_evaluation(one: Traits, other: Traits) -> None:
    if one.evaluates_twice and other.evaluates_twice:
        raise MethodError("two shifts of the bottleneck act in one run: give both directions to one of them")
    if one.evaluates_twice and other.edits_attention:
        raise MethodError(
            "a shift of the bottleneck evaluates the edited rows a second time, where attention would not be replaced:"
            " use one of the two"
        )


def _two_keep(one: Traits, other: Traits) -> None:
    if one.keeps and other.keeps and one.keeps != other.keeps:
        first, second = sorted((one.keeps, other.keeps))
        raise MethodError(f"{first} and {second} both say what is kept: use one of them")


def _same_layers(name: str, one: Traits, other_name: str, other: Traits) -> None:
    first, second = one.replaces_self_attention, other.replaces_self_attention
    if first is None or second is None or not first.steps & second.steps:
        return
    common = first.layers & second.layers
    if common:
        raise MethodError(
            f"{name} and {other_name} both replace self-attention in {len(common)} layers, and"
            " the last would win: give them different layers or different steps"
        )


def _no_gradient(one: Traits, other: Traits) -> None:
    """A map that is overwritten carries no gradient to x."""
    replaced = one.replaces_cross_attention
    if replaced is None:
        return
    for read in other.takes_gradient:
        if read.layers and read.steps and read.layers <= replaced.layers and read.steps <= replaced.steps:
            raise MethodError(
                f"energy {read.name} reads attention that is replaced at every step where it acts, so it has"
                " no gradient: let the replacement end earlier, or guide other layers"
            )
