"""What hands requests to workers and hears from them, on this machine or on a cluster: the shape both have.

A crew knows nothing of ledgers. Its owner asks who is idle, gives each a task, and waits for what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Cancelled", "Crew", "Event", "Task", "Tell", "WorkerJob"]

Tell = Callable[..., None]
"""``tell("progress", stage=…, step=…, steps=…)`` sends an event from a worker; ``number=…``: of one of a group."""
Cancelled = Callable[..., bool]


@dataclass(frozen=True)
class Task:
    """What a worker is to do.

    Attributes:
        number: The request's number in the ledger.
        payload: What the worker's ``make`` gets; plain data, never pixels.
        time_limit: Seconds after which it is stopped; None: as long as it says something now and then.
        members: Numbers of all requests that it makes, where it is a group of them.
    """

    number: int
    payload: Mapping[str, Any]
    time_limit: float | None = None
    members: tuple[int, ...] = ()


@dataclass(frozen=True)
class Event:
    """What a worker said, or what happened to it.

    Attributes:
        worker: Its name.
        kind: ``ready`` (data: about it), ``loading`` and ``loaded`` (model, weights), ``progress`` (stage, step,
            steps), ``finished`` (data: what ``make`` returned, or ``outcome``, ``error``, ``hint``; exactly one for
            every task that was given), ``answer`` (data: ``value`` or ``error``), ``died`` (data: ``why``, ``task``),
            ``left-out`` (data: ``why``): its device is not tried any more; anything else is what ``make`` sent itself.
        number: The task's number, where there is one.
    """

    worker: str
    kind: str
    number: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


class WorkerJob(Protocol):
    """What runs in a worker's process; made there by its name ``module:Class`` and the crew's options."""

    about: Mapping[str, Any]

    def make(self, payload: Mapping[str, Any], tell: Tell, cancelled: Cancelled) -> Mapping[str, Any]:
        """Do one task and return plain data; raise what is wrong.

        ``cancelled()`` says that it is to stop at its next step; ``cancelled(number)`` that one of a group is.
        """
        ...

    def ask(self, what: str, data: Any) -> Any:
        """Answer a question (checking requests, estimating their cost)."""
        ...


class Crew(Protocol):
    """Workers."""

    def idle(self) -> Sequence[str]:
        """Names of workers that have nothing to do and are ready for a task."""
        ...

    def give(self, worker: str, task: Task) -> None:
        """Give an idle worker a task."""
        ...

    def wait(self, timeout: float) -> list[Event]:
        """What was said since, waiting at most ``timeout`` seconds for it."""
        ...

    def cancel(self, number: int) -> None:
        """Let whoever is at this task stop at the next step; after a grace its process is ended."""
        ...

    def replace(self, worker: str) -> None:
        """Begin a worker anew as soon as it has nothing to do."""
        ...

    def stop(self) -> None:
        """End all workers now."""
        ...

    def close(self) -> None:
        """End all workers and give back what the crew holds."""
        ...

    def alive(self) -> int:
        """How many workers live, start, or will be started again."""
        ...
