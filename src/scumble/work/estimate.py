"""How long a batch still takes, from what its finished requests took."""

from __future__ import annotations

from scumble.work.ledger import Ledger

__all__ = ["duration", "remaining"]

LATEST = 50
"""So many of a group's latest results are looked at."""


def remaining(ledger: Ledger, workers: int) -> tuple[float, float] | None:
    """Seconds that what is queued and running still takes on a number of workers: (low, high), from the quartiles.

    Requests of one method and model with the same settings count as alike; None where nothing alike was measured.
    """
    low = high = 0.0
    measured = False
    for settings, model, left in ledger.left_by_group():
        took = ledger.seconds_of(settings, model, LATEST)
        if took:
            took.sort()
            low += left * took[len(took) // 4]
            high += left * took[(3 * len(took)) // 4]
            measured = True
    return (low / workers, high / workers) if measured else None


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"
