"""The loop between a ledger and a crew: it hands out what is due and writes down what becomes of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scumble.work import faults
from scumble.work.asks import taken
from scumble.work.commit import clear_temporaries, durable, outcome_of_event
from scumble.work.crew import Crew, Event, Task
from scumble.work.ledger import Claim, Ledger, Row, ledger_folder
from scumble.work.outcome import Outcome
from scumble.work.stale import CHANGED_RESULT

__all__ = ["Driver", "Rules"]

GROWN = 1.5
"""A worker is restarted when its memory reaches this multiple of that at its tenth request."""
SETTLED = 10
TURN = 1.0
"""Seconds after which the loop looks round even when nothing was said."""
COPY = 60.0
"""Seconds between two copies of a ledger that is on another disk than its folder; at least ten times what one takes."""
SPACE_FIRST, SPACE_MOST = 5.0, 60.0
"""Seconds to wait for space on a full disk: at first, at most."""


@dataclass(frozen=True)
class Rules:
    """What may be decided about a run without touching a pixel.

    Attributes:
        retries: How many faults of its own a request is forgiven.
        time_limit: Seconds for one request; None: as long as it says something now and then.
        first: So many requests are handed out, then the run ends; None: all.
        stop_after: So many failures in a row with one and the same message end the run; 0: never.
        wait_for_space: Seconds to wait for space on a full disk.
        other_weights: Go on when the model's weights are not those of the results that are there.
        overwrite: Replace files that are there and were not made by their request.
    """

    retries: int = 1
    time_limit: float | None = None
    first: int | None = None
    stop_after: int = 20
    wait_for_space: float = 600.0
    other_weights: bool = False
    overwrite: bool = False


@dataclass
class Driver:
    """Runs what is due in a ledger on a crew.

    Attributes:
        ledger: Open for this process.
        crew: The workers.
        rules: What was decided about the run.
        on_event: Hears everything that workers say, and notes of the driver's.
        group: So many requests are given to a worker together, where the ledger says that they are alike.
        ended_by: Why the run ended before all was made, or None.
        unloadable: No worker could load a model.
    """

    ledger: Ledger
    crew: Crew
    rules: Rules = field(default_factory=Rules)
    on_event: Callable[[Event], None] = lambda event: None
    group: int = 1
    ended_by: str | None = None
    unloadable: bool = False

    def __post_init__(self) -> None:
        self.draining = self.stopping = False
        self.at: dict[int, tuple[str, Claim]] = {}
        self._groups: dict[int, tuple[int, ...]] = {}
        self._worked: dict[str, set[Path]] = {}
        self._workers: dict[str, int] = {}
        self._last: dict[str, str | None] = {}
        self._handed = 0
        self._same, self._message = 0, ""
        self._space_since, self._space_next, self._space_delay = 0.0, 0.0, SPACE_FIRST
        self._loaded, self._copy_next = False, time.monotonic() + COPY
        self._folders: set[Path] = set()
        self._memory: dict[str, list[int]] = {}

    def drain(self) -> None:
        """Hand out nothing more; what is running is finished. From any thread, and from a signal's handler."""
        self.draining = True

    def halt(self) -> None:
        """Stop what is running as well. From any thread, and from a signal's handler."""
        self.draining = self.stopping = True

    def run(self) -> Iterator[Row]:
        """Yield each request when it is done, failed or cancelled; ends when nothing is left that can be made."""
        outcomes: list[Outcome] = []
        while True:
            rows, claims = self._turn(outcomes)
            for worker, group in claims:
                faults.at("claimed")
                self.crew.give(worker, self._task(group))
            yield from rows
            if self.stopping:
                break
            self._obey()
            self._copy_out()
            if not self.at and (self.draining or not self._left()):
                return
            if not self.crew.alive():
                self._stranded()
                return
            outcomes = self._heard(self.crew.wait(TURN))
        yield from self._stopped()

    # ------------------------------------------------------------------ inside

    def _obey(self) -> None:
        """Do what the user asked for from another process."""
        for wish in taken(self.ledger.folder):
            if wish.get("what") == "pause":
                self.ledger.pause(str(wish.get("reason") or "asked for"))
            elif wish.get("what") == "resume":
                self.ledger.pause(None)
            elif wish.get("what") == "cancel":
                row = self.ledger.find(str(wish.get("id")))
                if row is not None and self.ledger.cancel(row.number) == "cancelling":
                    self.crew.cancel(row.number)

    def _copy_out(self) -> None:
        now = time.monotonic()
        if now >= self._copy_next:
            self.ledger.copy_out()
            self._copy_next = now + max(COPY, 10 * (time.monotonic() - now))

    def _turn(self, outcomes: list[Outcome]) -> tuple[list[Row], list[tuple[str, list[Claim]]]]:
        """One transaction: what ended, and what begins."""
        claims: list[tuple[str, list[Claim]]] = []
        with self.ledger.turn():
            rows = self.ledger.record(outcomes, self.rules.retries)
            for outcome, row in zip(outcomes, rows, strict=True):
                self._judge(outcome, row)
            if not self.draining and time.monotonic() >= self._space_next:
                for worker in self.crew.idle():
                    if self.rules.first is not None and self._handed >= self.rules.first:
                        break
                    claim = self.ledger.claim(self._number_of(worker), affinity=self._last.get(worker))
                    if claim is None:
                        break
                    group = [claim, *self._beside(worker, claim)]
                    claims.append((worker, group))
                    self.at |= {one.number: (worker, one) for one in group}
                    self._last[worker], self._handed = claim.affinity, self._handed + len(group)
                    if claim.alone:
                        break
        if outcomes:
            faults.at("recorded")
        return [row for row in rows if row.state in ("done", "failed", "cancelled")], claims

    def _beside(self, worker: str, claim: Claim) -> list[Claim]:
        """What is made together with a request: no more than leaves something for every worker."""
        if self.group < 2:
            return []
        most = min(self.group - 1, self.ledger.due() // max(1, self.crew.alive()))
        if self.rules.first is not None:
            most = min(most, self.rules.first - self._handed - 1)
        return self.ledger.claim_beside(self._number_of(worker), claim.number, most)

    def _task(self, group: list[Claim]) -> Task:
        first, limit = group[0], self.rules.time_limit
        if len(group) == 1:
            return Task(first.number, self._payload(first), limit)
        members = tuple(one.number for one in group)
        payload = {"group": [{"number": one.number, **self._payload(one)} for one in group]}
        self._groups[first.number] = members
        return Task(first.number, payload, None if limit is None else limit * len(group), members)

    def _payload(self, claim: Claim) -> Mapping[str, Any]:
        return {
            "request": claim.body,
            "output": claim.output,
            "batch": claim.batch,
            "older": claim.older,
            "overwrite": self.rules.overwrite or claim.reason == CHANGED_RESULT,
        }

    def _heard(self, events: list[Event]) -> list[Outcome]:
        outcomes = []
        for event in events:
            if event.kind == "finished" and event.number is not None and event.number in self.at:
                members = self._groups.pop(event.number, None)
                outcomes += [self._ended(event, event.number)] if members is None else self._parted(event, members)
            elif event.kind == "died":
                self._clear_after(event)
            elif event.kind == "loaded":
                self._compare_weights(event)
            elif event.kind == "ready":
                self._workers[event.worker] = self.ledger.begin_worker(
                    event.worker, str(event.data.get("device", "")), event.data
                )
            self.on_event(event)
        durable(self._folders)
        self._folders.clear()
        return outcomes

    def _parted(self, event: Event, members: tuple[int, ...]) -> list[Outcome]:
        """What became of each of a group. Where its worker ended, none is to blame: each is made by itself then."""
        self._worked[event.worker] = {self._place(self.at[number][1].output) for number in members}
        blameless = {"outcome": "lost", "error": event.data.get("error")}
        whole = event.data.get("outcome") in ("no-space", "interrupted") or event.data.get("loading")
        each = event.data.get("members") or dict.fromkeys(members, event.data if whole else blameless)
        ended = [self._ended(replace(event, data=each[number]), number) for number in members]
        return [replace(one, kind="lost") if self._was_not_asked(one) else one for one in ended]

    def _was_not_asked(self, outcome: Outcome) -> bool:
        """Whether one of a group stopped because all of it had to."""
        stopped = outcome.kind == "cancelled" and not self.stopping
        return stopped and self.ledger.row(outcome.number).state != "cancelling"

    def _place(self, output: str) -> Path:
        return (self.ledger.folder / output).parent

    def _ended(self, event: Event, number: int) -> Outcome:
        _, claim = self.at.pop(number)
        if event.data.get("loading") and not self._loaded:
            self.unloadable, self.draining = True, True
            self.ended_by = str(event.data["error"])
            return Outcome(claim.number, "lost", self.ended_by)
        outcome = outcome_of_event(number, event.data, self.ledger.folder)
        self._watch_memory(event, outcome)
        for text in event.data.get("notes", ()):
            self.on_event(Event(event.worker, "note", None, {"text": text}))
        if outcome.kind == "done":
            self._loaded = True
            self._folders.update((self.ledger.folder / one.path).parent for one in outcome.files)
        return outcome

    def _watch_memory(self, event: Event, outcome: Outcome) -> None:
        """Begin a worker anew that keeps more and more, or whose device was full: what is left there is in pieces."""
        sizes = self._memory.setdefault(event.worker, [])
        sizes.append(int(event.data.get("resident") or 0))
        settled = sizes[SETTLED - 1] if len(sizes) >= SETTLED else 0
        full = outcome.kind == "out-of-memory" or outcome.batch is not None
        if (settled and sizes[-1] > GROWN * settled) or (full and "cuda" in event.worker):
            self.crew.replace(event.worker)
            self._memory.pop(event.worker)
            self.on_event(Event(event.worker, "note", None, {"text": f"{event.worker} is begun anew: its memory grew"}))

    def _clear_after(self, event: Event) -> None:
        """Remove what a dead worker has left half-written."""
        token = str(event.data.get("token", ""))
        if token:
            worked = {self._place(claim.output) for _, claim in self.at.values()} | self._worked.pop(
                event.worker, set()
            )
            number = event.data.get("task")
            if number is not None:
                worked.add(self._place(self.ledger.row(int(number)).output))
            clear_temporaries(worked, token)

    def _judge(self, outcome: Outcome, row: Row) -> None:
        """See what outcomes say about the run as a whole."""
        if outcome.kind == "no-space":
            self._wait_for_space(outcome)
        elif outcome.kind == "done":
            self._same, self._space_delay, self._space_since = 0, SPACE_FIRST, 0.0
        elif row.state == "failed":
            self._same = self._same + 1 if row.error == self._message else 1
            self._message = row.error or ""
            if 0 < self.rules.stop_after <= self._same:
                self.draining = True
                self.ended_by = f"{self._same} requests in a row failed alike: {self._message}"

    def _wait_for_space(self, outcome: Outcome) -> None:
        now = time.monotonic()
        with contextlib.suppress(OSError):
            (ledger_folder(self.ledger.folder) / "reserve").unlink()
        self._space_since = self._space_since or now
        if now - self._space_since >= self.rules.wait_for_space:
            self.draining, self.ended_by = True, f"no space is left for results ({outcome.error})"
            return
        self._space_next = now + min(self._space_delay, self.rules.wait_for_space)
        self._space_delay = min(2 * self._space_delay, SPACE_MOST)
        self.on_event(Event("", "note", None, {"text": f"waiting for space: {outcome.error}"}))

    def _compare_weights(self, event: Event) -> None:
        self._loaded = True
        self._memory.pop(event.worker, None)  # what it holds now is rightly more
        name, weights = str(event.data.get("model", "")), str(event.data.get("weights", ""))
        others = sum(count for before, count in self.ledger.weights(name).items() if before != weights)
        if others and not self.rules.other_weights:
            self.draining = self.stopping = True
            self.ended_by = (
                f"the weights of {name or 'the model'} are not those that made {others} results in this folder:"
                " give the model they were made with, or --again to make them anew"
            )

    def _number_of(self, worker: str) -> int:
        if worker not in self._workers:
            self._workers[worker] = self.ledger.begin_worker(worker, "", {})
        return self._workers[worker]

    def _left(self) -> bool:
        more = self.rules.first is None or self._handed < self.rules.first
        return more and self.ledger.due() > 0

    def _stranded(self) -> None:
        self.unloadable = not self._loaded
        self.ended_by = self.ended_by or "no worker is left"
        lost = [Outcome(number, "lost", self.ended_by) for number in self.at]
        self.at.clear()
        self.ledger.record(lost, self.rules.retries)

    def _stopped(self, patience: float = 2.0) -> Iterator[Row]:
        """Let those at work stop at their next step; whoever does not is ended; none of it counts against a request."""
        outcomes: list[Outcome] = []
        for number in self.at:
            self.crew.cancel(number)
        until = time.monotonic() + patience
        while self.at and time.monotonic() < until:
            outcomes += self._heard(self.crew.wait(0.1))
        outcomes += [Outcome(number, "interrupted") for number in self.at]
        self.at.clear()
        stopped = [
            Outcome(one.number, "interrupted") if one.kind in ("cancelled", "crashed") else one for one in outcomes
        ]
        self.crew.stop()
        rows = self.ledger.record(stopped, self.rules.retries)
        yield from (row for row in rows if row.state in ("done", "failed"))
