"""Workers on a Ray cluster: actors that hold a model. Ray places and loses them; who makes what is ours.

Ray Core and ``ray.wait``: Ray Data ends a whole run when one row fails, and knows no result but a block. Ray never
restarts an actor here and never repeats a task, so that the ledger knows of every attempt.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.work.crew import Event, Task
from scumble.work.process import job_from, outcome_of

__all__ = ["RayCrew", "RemoteWorker"]

AHEAD = 2
"""Tasks of a worker: the one it is at, and the next."""
SAME = ("scumble", "torch", "diffusers", "transformers", "threads")
"""What must be equal on all nodes, or their results would differ."""
SAID_EVERY = 60.0


class RemoteWorker:
    """What runs in an actor: the same job as in a worker's process on one machine."""

    def __init__(self, job: str, options: Mapping[str, Any], token: str) -> None:
        self._doing: Any = None
        self._at: Path | None = None
        self._made: Callable[[], Any] = lambda: job_from(job, {**options, "token": token})

    def ready(self, probe: str | None) -> dict[str, Any]:
        """Begin; a small file where results go says to the driver that both see the same folder, and later what this
        worker is at: when it dies, no other task is to blame."""
        import ray

        self._doing = self._made()
        self._at = None if probe is None else Path(probe)
        if self._at is not None:
            self._at.write_text("ready")
        return {**self._doing.about, "node": ray.get_runtime_context().get_node_id()}

    def make(self, number: int, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Do one task; what is wrong with it comes back as its outcome."""
        try:
            if self._at is not None:
                self._at.write_text(str(number))
            return dict(self._doing.make(payload, lambda kind, **data: None, lambda *number: False))
        except Exception as error:
            return outcome_of(error)


@dataclass
class _Actor:
    name: str
    token: str
    handle: Any
    starting: Any = None
    probe: Path | None = None
    node: str = ""
    flying: dict[Any, Task] = field(default_factory=dict)
    since: float = 0.0
    models: set[tuple[str, str]] = field(default_factory=set)


class RayCrew:
    """A :class:`~scumble.work.crew.Crew` of Ray actors.

    Args:
        job: ``module:Class`` of the :class:`~scumble.work.crew.WorkerJob`.
        options: What it is made with; ``folder`` must be the same on all nodes.
        address: ``auto``, ``local`` (begin a Ray on this machine), or an address. A Ray that this process is connected
            to already is used as it is.
        workers: How many actors; None: as many as the cluster has GPUs for (or processors, with ``gpus=0``).
        gpus: GPUs of each actor; 0.5 puts two on one, each with its own copy of the model.
        cpus: Processors of each actor.
        mixed: Accept nodes with other versions, whose results may differ.
        patience: Seconds to wait for a place for the first actor.

    Raises:
        InputError: If Ray is not installed or its cluster cannot be reached.
    """

    def __init__(
        self,
        job: str,
        options: Mapping[str, Any],
        *,
        address: str = "auto",
        workers: int | None = None,
        gpus: float = 1.0,
        cpus: float = 1.0,
        mixed: bool = False,
        patience: float = 600.0,
    ) -> None:
        self.ray, self._mine = _connected(address)
        device = {"device": "cuda:0"} if gpus else {"device": "cpu"}
        self.job, self.options = job, {**device, **options, "publish": True}
        self.workers, self.gpus, self.cpus, self.mixed, self.patience = workers, gpus, cpus, mixed, patience
        self._actors: dict[str, _Actor] = {}
        self._events: list[Event] = []
        self._alike: dict[str, Any] = {}
        self._refused: set[str] = set()
        self._began = self._said = time.monotonic()
        self._count = 0
        for left in (Path(str(options.get("folder", ""))) / ".scumble").glob("probe-*"):  # of a driver that died
            left.unlink(missing_ok=True)
        self._grow()

    # ------------------------------------------------------------------ the crew

    def idle(self) -> Sequence[str]:
        """A name for every place that is free: a worker with nothing to do has two, so that it never waits."""
        ready = [one for one in self._actors.values() if one.starting is None]
        return [one.name for ahead in range(AHEAD) for one in ready if len(one.flying) <= ahead]

    def alive(self) -> int:
        """How many workers live or may still get a place."""
        ready = sum(one.starting is None for one in self._actors.values())
        waited = time.monotonic() - self._began > self.patience
        return ready if ready or waited else len(self._actors)

    def give(self, worker: str, task: Task) -> None:
        """Give a worker a task, or its next one."""
        actor = self._actors[worker]
        if not actor.flying:
            actor.since = time.monotonic()
        actor.flying[actor.handle.make.remote(task.number, dict(task.payload))] = task

    def wait(self, timeout: float) -> list[Event]:
        """What finished and what happened since, waiting at most ``timeout`` seconds for it."""
        self._grow()
        waited = [ref for one in self._actors.values() for ref in (*one.flying, one.starting) if ref is not None]
        if waited and not self._events:
            ready, _ = self.ray.wait(waited, num_returns=1, timeout=timeout)
            if ready:  # all that are ready come in one turn
                ready, _ = self.ray.wait(waited, num_returns=len(waited), timeout=0)
            for ref in ready:
                self._take(ref)
        self._late()
        events, self._events = self._events, []
        return events

    def cancel(self, number: int) -> None:
        """End the actor that is at this task; a new one takes its place."""
        for one in list(self._actors.values()):
            if any(number in (task.number, *task.members) for task in one.flying.values()):
                head = self._head(one)
                self._bury(one, "cancelled" if number in (head.number, *head.members) else "lost", "", number)

    def replace(self, worker: str) -> None:
        """Begin a worker anew, when it has nothing to do."""
        actor = self._actors.get(worker)
        if actor is not None and not actor.flying:
            self._end(actor)

    def stop(self) -> None:
        """End all actors now."""
        for one in list(self._actors.values()):
            self._end(one)

    def close(self) -> None:
        """End all actors and leave the cluster."""
        self.stop()
        if self._mine and self.ray.is_initialized():
            self.ray.shutdown()
            self._mine = False

    # ------------------------------------------------------------------ inside

    def _wanted(self) -> int:
        if self.workers is not None:
            return self.workers
        there = self.ray.cluster_resources()
        return int(there.get("GPU", 0) / self.gpus) if self.gpus else int(there.get("CPU", 0) / self.cpus)

    def _grow(self) -> None:
        """Ask for as many actors as are wanted; those without a place wait, which is what makes a cluster grow."""
        wanted = self._wanted()
        while len(self._actors) < wanted:
            self._count += 1
            token, name = secrets.token_hex(4), f"ray-{self._count}"
            kind = self.ray.remote(
                max_restarts=0, max_task_retries=0, num_gpus=self.gpus, num_cpus=self.cpus, scheduling_strategy="SPREAD"
            )(RemoteWorker)
            handle = kind.remote(self.job, self.options, token)
            actor = _Actor(name, token, handle, probe=self._probe(token))
            actor.starting = handle.ready.remote(None if actor.probe is None else str(actor.probe))
            self._actors[name] = actor
        placed = sum(one.starting is None for one in self._actors.values())
        if placed < wanted and time.monotonic() - self._said > SAID_EVERY:
            self._said = time.monotonic()
            self._events.append(Event("", "note", None, {"text": f"{wanted} workers wanted, {placed} have a place"}))

    def _probe(self, token: str) -> Path | None:
        if self.options.get("address") is not None:  # results go to an address, the folder is this machine's alone
            return None
        inside = Path(str(self.options.get("folder", ""))) / ".scumble"
        return inside / f"probe-{token}" if inside.is_dir() else None

    def _take(self, ref: Any) -> None:
        actor = next((one for one in self._actors.values() if ref in one.flying or ref == one.starting), None)
        if actor is None:  # its actor was ended meanwhile
            return
        exceptions = self.ray.exceptions
        try:
            value = self.ray.get(ref)
        except exceptions.RayTaskError as error:
            self._failed(actor, ref, "crashed", f"the worker failed: {error.cause or error}")
        except exceptions.OutOfMemoryError:
            self._failed(actor, ref, "out-of-memory", "ended by Ray, for want of memory on its node")
        except exceptions.RayActorError as error:
            # Unreachable comes first when a node goes; that it is gone is known only later.
            gone = isinstance(error, exceptions.ActorUnavailableError) or self._node_is_gone(actor, error)
            self._failed(actor, ref, "lost" if gone else "crashed", "its node is gone" if gone else _first_line(error))
        except exceptions.RayError as error:  # a node's death and the like are no RayActorErrors
            self._failed(actor, ref, "lost", _first_line(error))
        else:
            if ref == actor.starting:
                self._welcome(actor, value)
            else:
                self._finished(actor, ref, value)

    def _finished(self, actor: _Actor, ref: Any, value: Mapping[str, Any]) -> None:
        task = actor.flying.pop(ref)
        actor.since = time.monotonic()
        if value.get("model") is not None and tuple(value["model"]) not in actor.models:
            actor.models.add(tuple(value["model"]))
            data = {"model": value["model"][0], "weights": value["model"][1]}
            self._events.append(Event(actor.name, "loaded", None, data))
        self._events.append(Event(actor.name, "finished", task.number, value))

    def _welcome(self, actor: _Actor, about: Mapping[str, Any]) -> None:
        """Take a worker in, or refuse it: where it does not see the folder, or would make other pictures."""
        why = None
        if actor.probe is not None and not actor.probe.exists():
            why = f"node {about.get('machine', about['node'])} does not see {self.options['folder']}"
        alike = {name: about[name] for name in SAME if name in about}
        self._alike = self._alike or alike
        if why is None and alike != self._alike and not self.mixed:
            name = next(name for name in SAME if alike.get(name) != self._alike.get(name))
            node = about.get("machine", about["node"])
            why = f"node {node} has {name} {alike.get(name)}, the run {self._alike.get(name)}"
        if why is not None:
            self._refuse(actor, why)
            return
        actor.starting, actor.node = None, str(about["node"])
        self._events.append(Event(actor.name, "ready", None, about))

    def _refuse(self, actor: _Actor, why: str) -> None:
        self._end(actor)
        self._events.append(Event(actor.name, "left-out", None, {"why": why}))
        if self.workers is None:
            self.workers = self._wanted()
        self.workers -= 1

    def _failed(self, actor: _Actor, ref: Any, outcome: str, why: str) -> None:
        if ref == actor.starting:
            if outcome == "lost":
                self._end(actor)
            else:
                self._refuse(actor, why)
            return
        self._bury(actor, outcome, why, actor.flying[ref].number)

    def _bury(self, actor: _Actor, outcome: str, why: str, number: int) -> None:
        """End an actor. Of its tasks only the one that it was at is to blame."""
        head = self._head(actor).number
        for task in actor.flying.values():
            blamed = task.number == head
            kind = outcome if blamed or (task.number == number and outcome == "cancelled") else "lost"
            error = why if kind == outcome else "its worker ended while it was at another request"
            self._events.append(Event(actor.name, "finished", task.number, {"outcome": kind, "error": error or None}))
        self._events.append(Event(actor.name, "died", number, {"why": why, "task": number, "token": actor.token}))
        self._end(actor)

    def _head(self, actor: _Actor) -> Task:
        """The task that an actor is at, as it wrote down itself; else the one that it was given first."""
        with contextlib.suppress(OSError, ValueError):
            number = None if actor.probe is None else int(actor.probe.read_text())
            at = [task for task in actor.flying.values() if task.number == number]
            if at:
                return at[0]
        return next(iter(actor.flying.values()))

    def _end(self, actor: _Actor) -> None:
        self._actors.pop(actor.name, None)
        if actor.probe is not None:
            actor.probe.unlink(missing_ok=True)
        with contextlib.suppress(Exception):  # it may be dead already, in every way that Ray knows
            self.ray.kill(actor.handle)

    def _late(self) -> None:
        now = time.monotonic()
        for one in list(self._actors.values()):
            if one.flying:
                task = self._head(one)
                if task.time_limit is not None and now - one.since > task.time_limit:
                    self._bury(one, "timed-out", f"took longer than its limit of {task.time_limit:g} s", task.number)

    def _node_is_gone(self, actor: _Actor, error: Exception) -> bool:
        if "its node has died" in str(error):
            return True
        return all(node["NodeID"] != actor.node or not node["Alive"] for node in self.ray.nodes())


def _connected(address: str) -> tuple[Any, bool]:
    """Ray, and whether the connection is ours to end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("Ray is not installed: pip install 'scumble[ray]'") from error
    if ray.is_initialized():
        return ray, False
    options: dict[str, Any] = {"log_to_driver": False}
    options |= {"include_dashboard": False} if address == "local" else {"address": address}
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"no Ray cluster answers at {address!r}: {_first_line(error)}") from error
    return ray, True


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
