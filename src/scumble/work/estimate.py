"""How long a batch still takes, from what its finished requests took."""

from __future__ import annotations

from dataclasses import dataclass

from scumble.work.ledger import Ledger

__all__ = ["Remaining", "duration", "remaining"]

LATEST = 50
"""So many of a group's latest results are looked at."""


@dataclass(frozen=True)
class Remaining:
    """What is still to be made.

    Attributes:
        low: Seconds, by the lower quartile of what is alike.
        high: By the upper one.
        unknown: Requests of which nothing alike was measured: they come on top.
    """

    low: float
    high: float
    unknown: int = 0

    def __str__(self) -> str:
        """``about 3 min``, ``2 min to 4 min``, ``2 min to 4 min, and 5 requests of kinds that were not measured``."""
        low, high = duration(self.low), duration(self.high)
        text = f"about {low}" if low == high else f"{low} to {high}"
        return f"{text}, and {self.unknown} requests of kinds that were not measured yet" if self.unknown else text


def remaining(ledger: Ledger, workers: int) -> Remaining | None:
    """Seconds that what is queued and running still takes on so many workers, from the quartiles.

    Requests of one method and model with the same settings count as alike; None where nothing alike was measured.
    """
    low = high = 0.0
    measured, unknown = False, 0
    for settings, model, left in ledger.left_by_group():
        took = ledger.seconds_of(settings, model, LATEST)
        if took:
            took.sort()
            low += left * took[len(took) // 4]
            high += left * took[(3 * len(took)) // 4]
            measured = True
        else:
            unknown += left
    return Remaining(low / workers, high / workers, unknown) if measured else None


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"
