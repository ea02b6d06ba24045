"""A batch: a list in, every result or its reason out. ``scumble.batch`` and the command are this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from scumble.errors import InputError
from scumble.records.list_lines import Found, Patterns
from scumble.records.problems import ListError
from scumble.records.wishes import Wishes
from scumble.work.alike import kinds_of
from scumble.work.commit import clear_temporaries
from scumble.work.crew import Crew, Event
from scumble.work.driver import Driver, Rules
from scumble.work.entry import Added, Row
from scumble.work.finished import Finished, Selection
from scumble.work.ledger import Ledger, ledger_folder
from scumble.work.local import LocalCrew
from scumble.work.lock import holder
from scumble.work.prepare import Checked, asked, check, entries_of, gather
from scumble.work.seats import seats
from scumble.work.sink import RemoteSink, home_of, is_address
from scumble.work.stale import stale

if TYPE_CHECKING:
    from scumble.work.prepare import Requests

__all__ = ["Batch", "batch"]

JOB = "scumble.work.attempt:Attempt"
RESERVE = 16 * 1024 * 1024
"""Bytes put aside so that the ledger can still be written on a full disk."""


class Batch:
    """Requests on their way. Iterate it once, inside ``with``; leaving the block early stops what is running.

    Attributes:
        checked: The requests and remarks, once :meth:`check` is done.
        added: What filing them came to.
        remarks: What is to be known about how they will be made.
        driver: The loop, once it runs.
    """

    def __init__(
        self,
        requests: Requests,
        folder: str | Path,
        *,
        workers: str | int | Sequence[str] = "auto",
        threads: int = 1,
        wishes: Wishes | None = None,
        patterns: Patterns | None = None,
        recursive: bool = False,
        redo: bool = False,
        name: str | None = None,
        order: str = "affinity",
        group: int = 1,
        select: Selection | None = None,
        rules: Rules | None = None,
        silence: float | None = None,
        grace: float = 5.0,
        ray: Mapping[str, Any] | None = None,
        take_over: bool = False,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.folder = home_of(folder)
        self.address = str(folder) if is_address(folder) else None
        self._given, self._patterns, self._recursive, self._redo = requests, patterns or Patterns(), recursive, redo
        self._workers, self._threads, self._name, self._order = workers, threads, name, order
        if group < 1:
            raise InputError(f"group must be 1 or more, got {group}")
        self._group = group
        self._wishes, self._select, self._rules = wishes or Wishes(), select or Selection(), rules or Rules()
        self._patience = {"silence": silence, "grace": grace}
        self._ray, self._take_over, self._on_event = ray, take_over, on_event
        self.checked: Checked | None = None
        self.added = Added()
        self.resumed = 0
        self.remarks: list[str] = []
        self.driver: Driver | None = None
        self.crew: LocalCrew | None = None
        self._hands: Crew | None = None
        self.ledger: Ledger | None = None

    # ------------------------------------------------------------------ steps

    def check(self) -> Checked:
        """Read and check the whole list; nothing is written in the folder.

        Raises:
            ListError: With everything that is wrong, by line.
            InputError: If the folder is in use or is no folder.
        """
        if self.checked is not None:
            return self.checked
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is no folder: results need one")
        inside = ledger_folder(self.folder)
        busy = holder(inside) if inside.is_dir() else None
        if busy is not None:
            raise InputError(f"this folder is in use by {busy}; wait for it, or stop it")
        self._sink()
        try:
            gathered = gather(
                self._given, self._patterns, recursive=self._recursive, redo=self._redo, output=self.folder
            )
        except ListError as error:
            raise self._with_the_rest(error) from error
        if not gathered.lines:
            raise InputError("the list holds no requests")
        self.checked = self._checked(gathered)
        return self.checked

    def _checked(self, gathered: Found) -> Checked:
        wishes = replace(self._wishes, defaults={**gathered.defaults, **self._wishes.defaults})
        return check(
            gathered, wishes, self._started, self.folder, pattern=self._name,
            overwrite=self._rules.overwrite or self._select.again,
        )  # fmt: skip

    def _with_the_rest(self, error: ListError) -> ListError:
        """Everything that is wrong with a list of which some lines cannot be read, so that nobody mends it twice."""
        problems = error.problems
        if error.readable is not None and error.readable.lines:
            try:
                self._checked(error.readable)
            except ListError as more:
                problems = sorted([*problems, *more.problems], key=lambda one: (one.source, one.line or 0))
        return ListError(problems)

    def _options(self) -> dict[str, Any]:
        """What every worker is made with."""
        return {"folder": str(self.folder.absolute()), "threads": self._threads, "address": self.address}

    def _started(self) -> LocalCrew:
        """The workers of this machine, begun when they are first needed."""
        if self.crew is None:
            options = self._options()
            places = seats("cpu" if self._ray is not None else self._workers, options)
            self.crew = LocalCrew(JOB, places, silence=self._patience["silence"], grace=self._patience["grace"] or 5.0)
        return self.crew

    def plans(self, bodies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """What requests cost at most, counted in a worker: forward, backward, exact and pixels; or a problem."""
        return [one for answer in asked(self._started(), "plan", [[body] for body in bodies]) for one in answer]

    def __enter__(self) -> Batch:
        try:
            self.check()
            sink = self._sink()
            if sink is not None:
                sink.probe()
            self.ledger = Ledger.open(self.folder, "scumble batch", take_over=self._take_over)
            self._file(self.ledger)
            self._begin(self.ledger)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Finished]:
        """Yield every request of the list that is done or failed: first what is there already, then as they finish."""
        ledger, driver = self.at_work
        for row in ledger.rows("done"):
            if row.id in self._names:
                yield self._finished(row, reused=True)
        for row in driver.run():
            yield self._finished(row)

    @property
    def at_work(self) -> tuple[Ledger, Driver]:
        """The ledger and the loop.

        Raises:
            RuntimeError: Outside of ``with``.
        """
        if self.ledger is None or self.driver is None:
            raise RuntimeError("a batch is run inside with")
        return self.ledger, self.driver

    def counts(self) -> dict[str, int]:
        """How many requests of the folder are in each state."""
        return self.at_work[0].counts()

    def exit_code(self) -> int:
        """0 all there; 1 some failed or remain; 3 no worker could load a model; 130 stopped by the user."""
        ledger, driver = self.at_work
        if driver.unloadable:
            return 3
        left = [row for row in ledger.rows() if row.id in self._names and row.state != "done"]
        if driver.draining and driver.ended_by is None and left:
            return 130
        return 1 if left else 0

    # ------------------------------------------------------------------ inside

    def _file(self, ledger: Ledger) -> None:
        """File the list, and queue again what is no longer what it was."""
        entries = entries_of(self.check().named, self._order)
        self._names = {entry.id for entry in entries}
        rows = {row.id: row for row in ledger.rows()}
        alive = {name for name, row in rows.items() if row.state != "withdrawn"}
        if alive and not alive & self._names and not self._select.add:
            raise InputError(
                f"{self.folder} holds the results of another list ({ledger.noted('list') or 'unknown'}, {len(alive)}"
                " requests): give another folder, or --add to put this list beside it"
            )
        threads = ledger.noted("threads")
        if threads is not None and threads != str(self._threads) and not self._select.again:
            raise InputError(
                f"the results in {self.folder} were made with {threads} threads a worker, which may decide a grey"
                f" level: --threads {threads}, or --threads {self._threads} --again to make them anew"
            )
        old, sink = ledger.unclean, self._sink()
        with ledger.turn():
            self.added = ledger.add(entries, whole=not self._select.add)
            self.resumed = ledger.resume_interrupted()
            ledger.note("threads", str(self._threads))
            ledger.note("list", self._list_name())
            mine = [row for row in ledger.rows() if row.id in self._names]
            finished = [row for row in mine if row.state == "done"]
            if self._select.again:
                ledger.requeue((row.number for row in finished), "made anew")
            else:
                for number, reason in stale(ledger, finished, self._select.verify, sink).items():
                    ledger.requeue([number], reason)
            self._restrict(ledger, [row for row in ledger.rows() if row.id in self._names])
        if old:
            clear_temporaries({(self.folder / row.output).parent for row in mine})
            if sink is not None:
                sink.clear_temporaries(row.output for row in mine)
        reserve = ledger_folder(self.folder) / "reserve"
        if not reserve.exists():
            reserve.write_bytes(b"\0" * RESERVE)

    def _sink(self) -> RemoteSink | None:
        """Where results go, if that is an address."""
        return None if self.address is None else RemoteSink(self.address)

    def _restrict(self, ledger: Ledger, rows: list[Row]) -> None:
        only = self._select.only
        if only is None:
            ledger.restrict(row.number for row in rows)
            return
        if only == "failed":
            wanted = [row for row in rows if row.state in ("failed", "cancelled")]
        elif only == "interrupted":
            wanted = [row for row in rows if row.reason == "interrupted"]
        else:
            wanted = [row for row in rows if row.id == only]
            if not wanted:
                raise InputError(
                    f"there is no request {only!r} in this list; --only takes failed, interrupted or an id"
                )
        ledger.requeue((row.number for row in wanted if row.state != "queued"), "asked for again")
        ledger.restrict(row.number for row in wanted)

    def _begin(self, ledger: Ledger) -> None:
        inside = ledger_folder(self.folder)
        if not ledger.due():
            self._hands = LocalCrew(JOB, [])
        elif self._ray is None:
            self._hands = self._started()
            self._started().join(inside / "logs", inside)
        else:
            from scumble.work.ray import RayCrew

            options = self._options()
            self._hands = RayCrew(JOB, options, **self._ray)
        if self._group > 1:
            self._let_group(ledger)
        self.driver = Driver(ledger, self._hands, self._rules, self._on_event, self._group)

    def _let_group(self, ledger: Ledger) -> None:
        kinds, self.remarks = kinds_of([row for row in ledger.rows("queued") if row.id in self._names])
        ledger.alike(kinds)
        ledger.note("group", str(self._group))

    def close(self) -> None:
        """End the workers and give the folder back; what is running is stopped and stays to be made."""
        if self.driver is not None and self.ledger is not None and self.driver.at:
            self.driver.halt()
            for _ in self.driver.run():
                pass
        for hands in {id(one): one for one in (self.crew, self._hands) if one is not None}.values():
            hands.close()
        self.crew = self._hands = None
        if self.ledger is not None:
            self.ledger.close(clean=True)
            self.ledger = None

    def _finished(self, row: Row, reused: bool = False) -> Finished:
        names = [one.path for one in row.files if not one.path.endswith(".json")]
        files: list[Path | str] = [
            self.folder / name if self.address is None else f"{self.address.rstrip('/')}/{name}" for name in names
        ]
        cost = {"seconds": row.seconds, "forward": row.forward, "backward": row.backward, "peak": row.peak}
        reused = reused or row.reason == "found"
        return Finished(row.id, row.state, tuple(files), row.error, row.hint, cost, row.attempts, reused)

    def _list_name(self) -> str:
        return Path(self._given).name if isinstance(self._given, str | Path) else "requests from Python"


def batch(
    requests: Requests,
    folder: str | Path,
    *,
    workers: str | int | Sequence[str] = "auto",
    threads: int = 1,
    defaults: Mapping[str, Any] | None = None,
    retries: int = 1,
    time_limit: float | None = None,
    first: int | None = None,
    only: str | None = None,
    again: bool = False,
    order: str = "affinity",
    group: int = 1,
    name: str | None = None,
    overwrite: bool = False,
    inputs: str | Path | None = None,
    ray: str | Mapping[str, Any] | None = None,
) -> Batch:
    """Make many requests; results come as they finish, what was there already first.

    ``with scumble.batch("list.jsonl", "out") as results: for one in results: …``. Started again with the same folder it
    goes on where it stopped: what is done is not made again, what changed is.

    Args:
        requests: A list's path (JSONL, CSV), a folder of pictures, or an iterable of ``Request``, mappings of fields,
            ``Recipe`` and finished pictures' paths.
        folder: Where the results and the ledger go; or an address that fsspec knows (``s3://bucket/out``) for the
            results, whose ledger then is on this machine.
        workers: ``auto`` (one for each GPU, else one), how many, or device names.
        threads: Of each worker on a processor; part of what decides the pictures' last bits.
        defaults: Fields for all requests that do not give them.
        retries: How many faults of its own a request is forgiven.
        time_limit: Seconds for one request.
        first: Number of requests to make before it ends.
        only: ``failed``, ``interrupted`` or an id.
        again: Make anew what is done.
        order: ``affinity``, ``list``, ``shuffle`` or ``short-first``.
        group: Let so many requests of one model, method and size share the calls of the network: less time a picture
            on some machines, and pictures that may differ by a grey level from those made one by one (their recipes
            say with how many rows they were made, and redo repeats that to the byte).
        name: Pattern of the results' names, such as ``{stem}-{seed}.png``.
        overwrite: Replace files that are there and were not made by their request.
        inputs: Where files that recipes name by their content are looked for.
        ray: ``auto``, an address, or options of :class:`scumble.work.ray.RayCrew`: run on a Ray cluster.

    Raises:
        ListError: With everything that is wrong with the list, before anything is made.
        InputError: If the folder is in use, or holds another list's results.
    """
    return Batch(
        requests,
        folder,
        workers=workers,
        threads=threads,
        wishes=Wishes({}, defaults or {}, inputs=None if inputs is None else str(inputs)),
        name=name,
        order=order,
        group=group,
        select=Selection(only, again),
        rules=Rules(retries=retries, time_limit=time_limit, first=first, overwrite=overwrite, other_weights=again),
        ray={"address": ray} if isinstance(ray, str) else ray,
    )
