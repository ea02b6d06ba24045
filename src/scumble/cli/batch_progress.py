"""The terminal's side of a batch: what is going on, Ctrl-C once and twice, and how it ends."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from scumble.errors import InputError
from scumble.records.problems import SHOWN, ListError, write_problems
from scumble.work.batch import Batch
from scumble.work.crew import Event
from scumble.work.driver import Driver
from scumble.work.estimate import remaining
from scumble.work.finished import Finished
from scumble.work.ledger import ledger_folder

__all__ = ["run"]

MOST_WORKERS = 8
EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


def run(todo: Batch, *, dry_run: bool, max_cost: int | None, as_json: bool, quiet: bool) -> None:
    """Check, run and report a batch, and end the program with its exit code."""
    say: Callable[[str], None] = (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr))
    try:
        checked = todo.check()
    except ListError as error:
        todo.close()
        if as_json:
            for problem in error.problems:
                print(
                    json.dumps(
                        {"event": "problem", "source": problem.source, "line": problem.line, "text": problem.text}
                    )
                )
        print(error, file=sys.stderr)
        if len(error.problems) > SHOWN:
            print(f"all of them: {write_problems(error.problems)}", file=sys.stderr)
        sys.exit(2)
    for note in checked.notes:
        say(note)
    if max_cost is not None:
        from scumble.cli.batch_plan import counted
        from scumble.editing.budget import refuse_rows

        try:
            record = counted(todo)
            refuse_rows(max_cost, record["forward"], record["backward"])
        except InputError:
            todo.close()
            raise
    if dry_run:
        from scumble.cli.batch_plan import show_plan

        code = show_plan(todo, as_json)
        todo.close()
    else:
        with todo:
            _begin(todo, say)
            code = _loop(todo, say, as_json, quiet)
    if code:
        sys.exit(code)


def _begin(todo: Batch, say: Callable[[str], None]) -> None:
    added, counts = todo.added, todo.counts()
    parts = [f"{added.new} new", f"{added.same} as before", f"{added.changed} changed"]
    if added.withdrawn:
        parts.append(f"{added.withdrawn} no longer in the list (their files stay)")
    say(f"{', '.join(parts)}; {counts['done']} are done")
    if todo.resumed:
        say(f"{todo.resumed} were running when the last run ended: they are made again")
    for remark in todo.remarks:
        say(remark)
    paused = todo.at_work[0].paused()
    if paused is not None:
        say(f"paused: {paused}; scumble batch --resume {todo.folder} goes on")


def _loop(todo: Batch, say: Callable[[str], None], as_json: bool, quiet: bool) -> int:
    _, driver = todo.at_work

    def note(text: str) -> None:
        say(text)
        if as_json:
            print(json.dumps({"event": "note", "text": text}), flush=True)

    screen = _Screen(todo, note)
    driver.on_event = screen.hear
    with _signals(driver, say), _drawn(screen, as_json or quiet):
        for one in todo:
            screen.count(one)
            if as_json:
                print(json.dumps(_told(one), ensure_ascii=False), flush=True)
            elif one.state == "failed":
                say(f"{one.id}: {one.error}{f' ({one.hint})' if one.hint else ''}")
            screen.line(say)
    code = todo.exit_code()
    counts = todo.counts()
    if driver.ended_by is not None:
        say(driver.ended_by)
    left = counts["queued"] + counts["interrupted"]
    text = f"{counts['done']} done, {counts['failed']} failed, {left} remain"
    if as_json:
        print(json.dumps({"event": "end", "code": code, "reason": driver.ended_by, **counts}))
    say(text if not left else f"{text}: run the same command to go on")
    if counts["failed"]:
        say(f"the reasons: scumble batch --report {todo.folder}")
    if code == 3:
        say(f"the workers' logs: {ledger_folder(todo.folder) / 'logs'}")
    return code


def _told(one: Finished) -> dict[str, Any]:
    line: dict[str, Any] = {"event": one.state, "id": one.id, "outputs": [str(path) for path in one.files]}
    line |= {"kept": one.kept, "attempts": one.attempts, "seconds": one.cost.get("seconds")}
    return line if one.error is None else {**line, "error": one.error, "hint": one.hint}


@contextmanager
def _signals(driver: Driver, say: Callable[[str], None]) -> Iterator[None]:
    """Once: finish what is running. Twice: stop it. A preemption's SIGTERM and a closed terminal count as once."""

    def hear(number: int, frame: FrameType | None) -> None:
        if driver.draining:
            driver.halt()
        else:
            driver.drain()
            say(f"finishing {len(driver.at)}; once more stops now")
        wake = getattr(driver.crew, "wake", None)
        if wake is not None:
            wake()

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), hear) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


class _Screen:
    """What is shown: how many are done, how fast, how long still, and who is at what."""

    def __init__(self, todo: Batch, note: Callable[[str], None]) -> None:
        self._note, self._notes = note, set[str]()
        self._ledger, self._driver = todo.at_work
        self._at: dict[str, str] = {}
        self._done = self._failed = self._kept = 0
        self._times: deque[float] = deque(maxlen=200)
        self._last = time.monotonic()

    def hear(self, event: Event) -> None:
        data = event.data
        if event.kind == "note" and data["text"] not in self._notes:
            self._notes.add(data["text"])
            self._note(data["text"])
        elif event.kind == "progress" and event.number in self._driver.at:
            name = self._driver.at[event.number][1].id
            self._at[event.worker] = f"{name}  {data.get('stage', '')} {data.get('step')}/{data.get('steps')}"
        elif event.kind in ("loading", "loaded"):
            self._at[event.worker] = f"{event.kind} {data.get('model') or 'the bundled model'}"
        elif event.kind in ("died", "left-out"):
            self._at[event.worker] = f"{event.kind}: {data.get('why')}"
        elif event.kind == "finished":
            self._at.pop(event.worker, None)

    def count(self, one: Finished) -> None:
        if one.kept:
            self._kept += 1
            return
        self._done += one.state == "done"
        self._failed += one.state == "failed"
        self._times.append(time.monotonic())

    def rate(self) -> float:
        """Results a minute over the last minute."""
        now = time.monotonic()
        recent = [one for one in self._times if now - one <= 60]
        return 60 * len(recent) / max(1.0, now - recent[0]) if len(recent) > 1 else 0.0

    def text(self) -> str:
        left = self._ledger.due() + len(self._driver.at)
        time_left = remaining(self._ledger, max(1, self._driver.crew.alive()))
        parts = [f"{self._done + self._kept} done", f"{self._failed} failed", f"{left} left"]
        if self.rate():
            parts.append(f"{self.rate():.1f} a minute")
        if time_left is not None and left:
            parts.append(f"{time_left} still")
        return ", ".join(parts)

    def line(self, say: Callable[[str], None]) -> None:
        """Where there is no terminal: a line now and then."""
        if not sys.stderr.isatty() and time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            say(self.text())

    def __rich__(self) -> Text:
        lines = [self.text(), *(f"  {name}: {what}" for name, what in sorted(self._at.items())[:MOST_WORKERS])]
        return Text("\n".join(lines))


@contextmanager
def _drawn(screen: _Screen, hidden: bool) -> Iterator[None]:
    if hidden or not sys.stderr.isatty():
        yield
        return
    with Live(screen, console=Console(stderr=True), refresh_per_second=2, transient=True):
        yield
