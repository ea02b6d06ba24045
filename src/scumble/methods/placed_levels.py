"""Where a run's levels lie when a weaker change need not begin at the top: all steps below where the map begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scumble.core.schedule import Level
from scumble.errors import InputError

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["levels_of_run"]


def levels_of_run(
    batch: EditBatch, steps: int, solver: str, strength: float
) -> tuple[tuple[Level, ...], float, EditBatch]:
    """Return the levels of a run, the step at which it begins (a fraction), and the batch with the map that it has.

    Students of LCM's and TCD's kind spend all their steps below the strongest place: the map then grows by as much, so
    that every place still begins at the noise of its own strength. Others, and all runs of version 0.1, go the whole
    way and begin in the middle.

    Args:
        batch: The batch.
        steps: N.
        solver: Name of the rule.
        strength: Of the whole edit; that of a place is its product with the map.

    Raises:
        InputError: If the number of steps does not fit the model's schedule.
    """
    change = batch.change
    most = strength * (1.0 if change is None else float(change.max()))
    one_map = change is None or change.shape[0] == 1  # else a candidate would depend on others
    if not (batch.model.schedule.places_levels(solver) and one_map and 0 < most < 1 and batch.substeps is not False):
        levels = batch.levels(steps, solver)
        return levels, batch.begin(strength, len(levels) - 1), batch
    try:
        levels, top = batch.model.schedule.levels_below(steps, solver, most)
    except ValueError as error:
        raise InputError(str(error)) from error
    if change is None:
        return levels, 0.0, batch
    return levels, 0.0, replace(batch, change=(change * (strength / top)).clamp(max=1))
