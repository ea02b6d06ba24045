"""A limit on what an edit may cost, held before anything runs."""

from __future__ import annotations

from collections.abc import Callable

from scumble.editing.estimate import Plan
from scumble.errors import InputError

__all__ = ["refuse_above", "refuse_rows"]


def refuse_above(max_cost: int | None, plan: Callable[[], Plan]) -> None:
    """Refuse an edit that may take more rows of the network than a limit.

    Args:
        max_cost: Forward and backward rows together, at most; None: no limit, and nothing is planned.
        plan: Plans the edit.

    Raises:
        InputError: With the number that it may take.
    """
    if max_cost is not None:
        most = plan().most
        refuse_rows(max_cost, most.forward_rows, most.backward_rows)


def refuse_rows(max_cost: int, forward: int, backward: int) -> None:
    """Refuse an edit that takes more rows than the limit.

    Raises:
        InputError: With both numbers, or for a limit below 1.
    """
    if max_cost < 1:
        raise InputError(f"the limit of rows must be at least 1, got {max_cost}")
    if forward + backward > max_cost:
        raise InputError(
            f"this may take {forward + backward} rows of the network ({forward} forward, {backward} backward), more"
            f" than the {max_cost} that --max-cost allows; nothing was made"
        )
