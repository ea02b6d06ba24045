"""What becomes of requests: each has one outcome, whatever its worker does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from scumble.work.driver import Driver, Rules
from scumble.work.ledger import Entry, Ledger, Row
from scumble.work.local import LocalCrew, Seat
from tests.work.toys import content


def entry(k: int, trouble: str | None = None, **more: Any) -> Entry:
    body = {"method": "toy", "seed": k, "parameters": {"trouble": trouble, **more.pop("parameters", {})}}
    return Entry(id=f"r{k:02d}", line=f"{k:064x}", body=body, output=f"r{k:02d}.bin", **more)


def crew(folder: Path, workers: int = 1, **options: Any) -> LocalCrew:
    keys = ("silence", "grace")
    own_options = {k: v for k, v in options.items() if k not in keys}
    seats = [Seat(f"toy{k}", {"folder": str(folder), **own_options}) for k in range(workers)]
    return LocalCrew("tests.work.toys:Toy", seats, **{k: v for k, v in options.items() if k in keys})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path, "a test") as opened:
        yield opened


def run(
    ledger: Ledger, entries: Sequence[Entry], rules: Rules | None = None, **options: Any
) -> tuple[Driver, list[Row]]:
    ledger.add(entries)
    hands = crew(ledger.folder, **options)
    driver = Driver(ledger, hands, rules or Rules())
    try:
        return driver, list(driver.run())
    finally:
        hands.close()


def test_every_request_has_its_result(ledger: Ledger) -> None:
    _, rows = run(ledger, [entry(k) for k in range(8)], workers=2)
    assert sorted(row.id for row in rows) == [f"r{k:02d}" for k in range(8)]
    assert ledger.counts()["done"] == 8
    for k in range(8):
        assert (ledger.folder / f"r{k:02d}.bin").read_bytes() == content(k)
    assert not list(ledger.folder.glob(".*.tmp*"))


@pytest.mark.parametrize(
    ("trouble", "state", "attempts", "error"),
    [
        ("raise", "failed", 1, "the picture is broken"),
        ("unpicklable", "failed", 1, "Unpicklable: something odd"),
        ("network", "failed", 2, "ConnectionError: the network is away"),
        ("once-network", "done", 2, None),
        ("exit", "failed", 2, "the worker ended by itself with code 3"),
        ("once-exit", "done", 2, None),
        ("kill", "failed", 2, "the worker was ended by signal 9 (SIGKILL), most likely the system's memory limit"),
        ("memory", "done", 2, None),
        ("always-memory", "failed", 2, "out of memory"),
    ],
)
def test_trouble_of_one_request_is_its_own(
    ledger: Ledger, trouble: str, state: str, attempts: int, error: str | None
) -> None:
    _, rows = run(ledger, [entry(0), entry(1, trouble), entry(2), entry(3)])
    row = next(row for row in rows if row.id == "r01")
    assert (row.state, row.attempts, row.error) == (state, attempts, error)
    assert ledger.counts()["done"] == 3 + (state == "done")
    assert not list(ledger.folder.glob(".*.tmp*"))


@pytest.mark.parametrize("trouble", ["hang", "spin", "stop"])
def test_a_worker_that_hangs_is_ended_and_the_rest_finishes(ledger: Ledger, trouble: str) -> None:
    rules = Rules(time_limit=4.0, retries=0)
    _, rows = run(ledger, [entry(0), entry(1, trouble), entry(2)], rules, grace=0.1)
    assert {row.id: row.state for row in rows} == {"r00": "done", "r01": "failed", "r02": "done"}
    row = next(row for row in rows if row.id == "r01")
    assert row.reason == "timed-out" and row.error == "took longer than its limit of 4 s"


def test_a_worker_that_says_nothing_is_ended(ledger: Ledger) -> None:
    _, rows = run(ledger, [entry(0, "hang"), entry(1)], Rules(retries=0), silence=4.0, grace=0.1)
    assert {row.id: row.error for row in rows} == {"r00": "said nothing for too long and was ended", "r01": None}


def test_a_model_that_cannot_be_loaded_ends_the_run_and_loses_nothing(ledger: Ledger) -> None:
    driver, rows = run(ledger, [entry(0), entry(1)], broken=True)
    assert not rows and driver.unloadable
    assert driver.ended_by == "no worker is left"
    assert ledger.counts()["queued"] == 2


def test_a_full_disk_is_waited_for(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scumble.work.driver.SPACE_FIRST", 0.05)
    _, rows = run(ledger, [entry(0, "once-full"), entry(1)], workers=1)
    assert {row.id: (row.state, row.faults) for row in rows} == {"r00": ("done", 0), "r01": ("done", 0)}


def test_a_disk_that_stays_full_ends_the_run_with_everything_queued(ledger: Ledger) -> None:
    driver, rows = run(ledger, [entry(0, "full"), entry(1, "full")], Rules(wait_for_space=0.0))
    assert not rows and driver.ended_by is not None and "no space" in driver.ended_by
    assert ledger.counts()["queued"] == 2


def test_the_same_failure_again_and_again_ends_the_run(ledger: Ledger) -> None:
    driver, rows = run(ledger, [entry(k, "raise") for k in range(8)], Rules(stop_after=3))
    assert len(rows) == 3 and ledger.counts()["queued"] == 5
    assert driver.ended_by == "3 requests in a row failed alike: the picture is broken"


def test_a_request_that_crashed_is_tried_again_with_nothing_beside_it(ledger: Ledger) -> None:
    run(ledger, [entry(0, "once-kill"), *(entry(k) for k in range(1, 6))], workers=2)
    spans = {row.id: ledger.attempts(row.number)[-1] for row in ledger.rows()}
    again = spans.pop("r00")
    assert again["batch"] == 1
    assert all(one["ended"] <= again["began"] or one["began"] >= again["ended"] for one in spans.values())


def test_only_so_many_as_asked_are_handed_out(ledger: Ledger) -> None:
    _, rows = run(ledger, [entry(k) for k in range(5)], Rules(first=2))
    assert [row.id for row in rows] == ["r00", "r01"]
    assert ledger.counts()["queued"] == 3


def test_a_worker_that_keeps_more_and_more_is_begun_anew(ledger: Ledger) -> None:
    run(ledger, [entry(k, parameters={"resident": 100 if k < 12 else 200}) for k in range(14)])
    assert ledger.counts()["done"] == 14
    assert ledger.base.execute("SELECT count(*) FROM worker").fetchone() == (2,)


def test_a_request_is_cancelled_at_its_next_step(ledger: Ledger) -> None:
    ledger.add([entry(0, parameters={"seconds": 3}), entry(1)])
    hands = crew(ledger.folder)
    driver = Driver(ledger, hands)

    def cancel(event: Any) -> None:
        if event.kind == "progress" and event.number == 1 and ledger.row(1).state == "running":
            assert ledger.cancel(1) == "cancelling"
            hands.cancel(1)

    driver.on_event = cancel
    try:
        rows = list(driver.run())
    finally:
        hands.close()
    assert {row.id: row.state for row in rows} == {"r00": "cancelled", "r01": "done"}


def of_one_kind(ledger: Ledger, entries: Sequence[Entry], rules: Rules | None = None) -> list[Row]:
    """Run entries, all of them alike, in groups of three on one worker."""
    ledger.add(entries)
    ledger.alike({row.number: "one kind" for row in ledger.rows()})
    hands = crew(ledger.folder, grace=0.1)
    try:
        return list(Driver(ledger, hands, rules or Rules(), group=3).run())
    finally:
        hands.close()


def test_a_group_has_an_outcome_for_each(ledger: Ledger) -> None:
    rows = of_one_kind(ledger, [entry(0), entry(1, "raise"), *(entry(k) for k in range(2, 7))])
    assert {row.id: (row.state, row.error) for row in rows} == {
        f"r{k:02d}": ("failed", "the picture is broken") if k == 1 else ("done", None) for k in range(7)
    }
    spans = [ledger.attempts(row.number)[0] for row in ledger.rows()]
    assert spans[2]["began"] < spans[0]["ended"] <= spans[3]["began"], "three at once, then the next"


@pytest.mark.parametrize(("trouble", "state"), [("kill", "failed"), ("once-exit", "done")])
def test_a_group_whose_worker_ends_falls_apart_and_the_guilty_is_found(
    ledger: Ledger, trouble: str, state: str
) -> None:
    rows = of_one_kind(ledger, [entry(0), entry(1, trouble), entry(2)])
    assert {row.id: (row.state, row.faults) for row in rows} == {
        "r00": ("done", 0),
        "r01": (state, 0 if state == "done" else 2),
        "r02": ("done", 0),
    }
    assert ledger.attempts(1)[0]["outcome"] == "lost"
    assert not list(ledger.folder.glob(".*.tmp*"))


def test_a_group_takes_as_long_as_its_members_may_together(ledger: Ledger) -> None:
    rows = of_one_kind(ledger, [entry(0), entry(1, "hang")], Rules(time_limit=1.5, retries=0))
    assert {row.id: (row.state, row.reason) for row in rows} == {
        "r00": ("done", "made"),
        "r01": ("failed", "timed-out"),
    }


def test_one_of_a_group_is_cancelled_and_the_others_go_on(ledger: Ledger) -> None:
    entries = [entry(k, parameters={"seconds": 0.4}) for k in range(3)]
    ledger.add(entries)
    ledger.alike(dict.fromkeys((1, 2, 3), "one kind"))
    hands = crew(ledger.folder)
    driver = Driver(ledger, hands, group=3)

    def cancel(event: Any) -> None:
        if event.kind == "progress" and ledger.row(2).state == "running":
            assert ledger.cancel(2) == "cancelling"
            hands.cancel(2)

    driver.on_event = cancel
    try:
        rows = list(driver.run())
    finally:
        hands.close()
    assert {row.id: row.state for row in rows} == {"r00": "done", "r01": "cancelled", "r02": "done"}
