"""The ancestral solver with the variance that a checkpoint was trained for."""

from __future__ import annotations

from scumble.core.solvers import Ddpm
from scumble.errors import MethodError
from scumble.methods.batch import EditBatch

__all__ = ["ancestral"]


def ancestral(batch: EditBatch) -> Ddpm:
    """The solver for the job's model.

    Raises:
        MethodError: If the variance is of an unknown type.
    """
    kind = str(batch.model.schedule.config.get("variance_type") or "fixed_small")
    try:
        return Ddpm(variance_type=kind)
    except ValueError as error:
        raise MethodError(f"{batch.model.name}: {error}; use --solver ddim") from error
