"""Where a run's levels lie when a weaker change need not begin at the top: all steps below where the change begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from scumble.core.schedule import Level
from scumble.core.timesteps import students_steps
from scumble.errors import InputError

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["fine_levels", "levels_after_skip", "levels_below", "levels_of_run"]


def levels_of_run(
    batch: EditBatch, steps: int, solver: str, strength: float
) -> tuple[tuple[Level, ...], float, EditBatch]:
    """Return the levels of a run, the step at which it begins (a fraction), and the batch with the map that it has.

    Where all steps lie below the strongest place, the map grows by as much, so that every place still begins at the
    noise of its own strength. Other runs go the whole way and begin in the middle.

    Args:
        batch: The batch.
        steps: N.
        solver: Name of the rule.
        strength: Of the whole edit; that of a place is its product with the map.

    Raises:
        InputError: If the number of steps does not fit the model's schedule.
    """
    change = batch.change
    one_map = change is None or change.shape[0] == 1  # else a candidate would depend on others
    most = strength * (1.0 if change is None else float(change.max()))
    levels, top = levels_below(batch, steps, solver, most if one_map else 1.0)
    if top == 1:
        return levels, batch.begin(strength, len(levels) - 1), batch
    if change is None:
        return levels, 0.0, batch
    return levels, 0.0, replace(batch, change=(change * (strength / top)).clamp(max=1))


def levels_below(batch: EditBatch, steps: int, solver: str, most: float) -> tuple[tuple[Level, ...], float]:
    """Return the levels of a run whose strongest change is ``most``, and the strength that begins at its first level.

    Students of LCM's and TCD's kind spend all their steps below it. Others, and all runs of version 0.1, go the whole
    way: the strength is then 1.

    Raises:
        InputError: If the number of steps does not fit the model's schedule.
    """
    if not _places(batch, solver) or not 0 < most < 1:
        return batch.levels(steps, solver), 1.0
    try:
        return batch.model.schedule.levels_below(steps, solver, most)
    except ValueError as error:
        raise InputError(str(error)) from error


def fine_levels(batch: EditBatch, steps: int, solver: str) -> tuple[Level, ...]:
    """Return the levels among which a start is looked for: all that the student knows where its steps are placed below
    it, else those of the run."""
    if _places(batch, solver):
        steps = students_steps(batch.model.schedule.config)
    return batch.levels(steps, solver)


def levels_after_skip(
    batch: EditBatch, steps: int, solver: str, first_step: Callable[[EditBatch, Sequence[Level]], int]
) -> tuple[tuple[Level, ...], int, bool]:
    """Return the levels of a run that leaves out steps at the noisy end, its first step, and whether none is left out.

    Raises:
        InputError: If the number of steps does not fit the model's schedule.
    """
    fine = fine_levels(batch, steps, solver)
    skipped = first_step(batch, fine) / (len(fine) - 1)
    levels, top = levels_below(batch, steps, solver, 1 - skipped)
    if top < 1:
        return levels, 0, False
    first = first_step(batch, levels)
    return levels, first, first == 0


def _places(batch: EditBatch, solver: str) -> bool:
    return batch.substeps is not False and batch.model.schedule.places_levels(solver)
