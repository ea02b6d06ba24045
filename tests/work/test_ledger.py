"""The ledger: states, order, interruptions, one writer alone."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from scumble.errors import InputError
from scumble.records.request import Request
from scumble.work.ledger import Claim, Entry, Ledger, ledger_folder
from scumble.work.outcome import Outcome, OutputFile
from scumble.work.place import file_system
from scumble.work.schema import join_body, split_body
from scumble.work.upgraded import still_the_same


def entry(name: str, **more: Any) -> Entry:
    body = {"method": "sdedit", "seed": 1, "parameters": {"prompt": name, "strength": 0.5}, **more.pop("body", {})}
    line = more.pop("line", f"{sum(name.encode()):064x}")
    return Entry(id=name, line=line, body=body, output=f"{name}.png", **more)


def claimed(ledger: Ledger, worker: int, **more: Any) -> Claim:
    claim = ledger.claim(worker, **more)
    assert claim is not None
    return claim


def done(claim: Claim) -> Outcome:
    file = OutputFile(claim.output, "ab" * 32, 10, 20, "cd" * 32)
    return Outcome(claim.number, "done", remark="made", files=(file,), key="ef" * 32, model=("tiny", "12" * 32),
                   cost={"seconds": 1.5, "forward": 7}, inputs=(("a.png", 1, 2, "34" * 32),))  # fmt: skip


def test_a_request_comes_back_as_it_was_filed(tmp_path: Path) -> None:
    body = {"format": 1, "method": "sdedit", "seed": 3, "labels": {"a": "é"}, "parameters": {"prompt": "x", "eta": 0}}
    assert join_body(*split_body(body)) == body
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add([entry("a", body=body)])
        assert claimed(ledger, ledger.begin_worker("w", "cpu", {})).body == body


def test_what_is_done_is_known_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add([entry("a")])
        claim = claimed(ledger, ledger.begin_worker("w", "cpu", {}))
        (row,) = ledger.record([done(claim)])
    assert (row.state, row.reason, row.seconds, row.forward) == ("done", "made", 1.5, 7)
    with Ledger.read(tmp_path) as again:
        assert again.find("a") == row
        assert row.files[0].path == "a.png" and row.key == "ef" * 32 and row.model == "tiny" and row.worker == "w"
        assert again.inputs(row.number) == [("a.png", 1, 2, "34" * 32)]
        assert again.weights("tiny") == {"12" * 32: 1}
        assert [one["outcome"] for one in again.attempts(row.number)] == ["done"]


def test_filing_the_same_list_again_changes_nothing_and_a_changed_line_is_queued(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        assert ledger.add([entry("a"), entry("b"), entry("c")], whole=True).new == 3
        worker = ledger.begin_worker("w", "cpu", {})
        ledger.record([done(claimed(ledger, worker)), done(claimed(ledger, worker))])
        added = ledger.add([entry("b", line="0" * 64), entry("a")], whole=True)
        assert (added.same, added.changed, added.withdrawn, added.new) == (1, 1, 1, 0)
        assert {row.id: row.state for row in ledger.rows()} == {"a": "done", "b": "queued", "c": "withdrawn"}
        ledger.add([entry("b", line="0" * 64)], whole=True)
        assert ledger.add([entry("a"), entry("b", line="0" * 64)], whole=True).same == 2
        assert {row.id: row.state for row in ledger.rows("done", "queued")} == {"a": "done", "b": "queued"}


def test_order_is_by_priority_then_what_is_loaded_then_place(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        near, far = "aa" * 32, "bb" * 32
        ledger.add([entry("a", affinity=near), entry("b", affinity=far), entry("c", affinity=near),
                    entry("d", priority=5, affinity=far), entry("e")])  # fmt: skip
        worker = ledger.begin_worker("w", "cpu", {})
        order = [claimed(ledger, worker, affinity=near).id for _ in range(5)]
    assert order == ["d", "a", "c", "b", "e"]


def test_a_request_is_moved_between_others_any_number_of_times(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add([entry(name) for name in "abcd"])
        number = {row.id: row.number for row in ledger.rows()}
        for _ in range(60):  # halving a distance so often leaves none
            ledger.move(number["d"], number["b"])
            ledger.move(number["c"], number["d"])
            assert [row.id for row in ledger.rows()] == ["a", "c", "d", "b"]
        ledger.move(number["b"], None)
        assert [row.id for row in ledger.rows()] == ["b", "a", "c", "d"]


def test_what_was_running_when_its_process_died_is_interrupted_and_not_started_by_itself(tmp_path: Path) -> None:
    for times in range(1, 5):
        ledger = Ledger.open(tmp_path, "a test")
        if times == 1:
            ledger.add([entry("a"), entry("b")])
        assert ledger.unclean is (times > 1)
        ledger.resume_interrupted()
        worker = ledger.begin_worker("w", "cpu", {})
        if times > 2:  # it was running twice when its run died: it comes last, alone
            second = claimed(ledger, worker)
            assert second.id == "b" and not second.alone
            ledger.record([Outcome(second.number, "no-space")])
            ledger.restrict([1])
        claim = claimed(ledger, worker)
        assert claim.id == "a" and claim.alone is (times > 2)
        forget(ledger)
    with Ledger.open(tmp_path, "a test") as ledger:
        row = ledger.find("a")
        assert row is not None and row.state == "failed" and row.interruptions == 4
        assert row.error == "was running each of 4 times when the run died"


def forget(ledger: Ledger) -> None:
    """As if the process were gone: nothing is written any more, the lock is free."""
    ledger.base.close()
    assert ledger._lock is not None
    ledger._lock.release()


def test_only_what_a_worker_was_at_counts_against_it(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "a test")
    ledger.add([entry("a"), entry("b")])
    worker = ledger.begin_worker("w", "cpu", {})
    claimed(ledger, worker), claimed(ledger, worker)
    forget(ledger)
    with Ledger.open(tmp_path, "a test") as again:
        assert {row.id: (row.state, row.interruptions) for row in again.rows()} == {
            "a": ("interrupted", 1), "b": ("interrupted", 0)}  # fmt: skip


def test_a_second_process_is_refused_by_name_and_readers_are_not(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "scumble batch"):
        with pytest.raises(InputError, match=r"in use by scumble batch \(pid \d+ on .+ since \d\d:\d\d\)"):
            Ledger.open(tmp_path, "scumble studio")
        with Ledger.read(tmp_path) as reader:
            assert reader.counts()["queued"] == 0
            assert reader.holder() is not None
    with Ledger.read(tmp_path) as reader:
        assert reader.holder() is None


def test_pausing_hands_out_nothing_and_survives_a_restart(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add([entry("a")])
        ledger.pause("the person asked for it")
    with Ledger.open(tmp_path, "a test") as ledger:
        worker = ledger.begin_worker("w", "cpu", {})
        assert ledger.paused() == "the person asked for it" and ledger.claim(worker) is None
        ledger.pause(None)
        assert claimed(ledger, worker).id == "a"


def test_lost_workers_count_against_a_request_only_after_many(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add([entry("a")])
        worker = ledger.begin_worker("w", "cpu", {})
        states = [
            ledger.record([Outcome(claimed(ledger, worker).number, "lost", "away")], 0)[0].state for _ in range(6)
        ]
    assert states == ["queued"] * 5 + ["failed"]


def test_ledgers_of_others_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    inside = ledger_folder(tmp_path)
    inside.mkdir()
    base = sqlite3.connect(inside / "ledger.sqlite")
    base.executescript("CREATE TABLE request(x);")
    base.close()
    with pytest.raises(InputError, match="is no ledger of scumble"):
        Ledger.open(tmp_path, "a test")
    (inside / "ledger.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    with pytest.raises(InputError, match="is damaged"):
        Ledger.open(tmp_path, "a test")
    (inside / "ledger.sqlite").unlink()
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.base.execute("PRAGMA user_version = 7")
    with pytest.raises(InputError, match="has layout 7"):
        Ledger.read(tmp_path)


def test_a_turn_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, "a test") as ledger:
        with pytest.raises(ZeroDivisionError), ledger.turn():
            ledger.add([entry("a")])
            raise ZeroDivisionError
        assert ledger.counts()["queued"] == 0


def test_on_a_network_folder_the_ledger_is_on_the_own_disk_and_a_copy_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, mounts = tmp_path / "share" / "out", tmp_path / "mountinfo"
    folder.mkdir(parents=True)
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {tmp_path / 'share'} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr("scumble.work.place.MOUNTS", mounts)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert file_system(folder) == "nfs4" and file_system(tmp_path) == "ext4"
    with Ledger.open(folder, "a test") as ledger:
        ledger.add([entry("a"), entry("b")])
        ledger.record([done(claimed(ledger, ledger.begin_worker("w", "cpu", {})))])
    assert not (folder / ".scumble" / "ledger.sqlite").exists()
    assert ledger_folder(folder).is_relative_to(tmp_path / "state")
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    shutil.rmtree(tmp_path / "state")
    with Ledger.read(folder) as reader:
        assert reader.counts()["done"] == 1
    with pytest.raises(InputError, match=r"is on the disk of .*--take-over"):
        Ledger.open(folder, "a test")
    with Ledger.open(folder, "a test", take_over=True) as ledger:
        assert (ledger.counts()["done"], ledger.counts()["queued"]) == (1, 1)


def test_what_an_earlier_version_filed_stays_done_when_only_fields_at_their_defaults_are_new(tmp_path: Path) -> None:
    def body(**changes: Any) -> dict[str, Any]:
        asked = Request(method="sdedit", parameters={"prompt": "x"}, defaults={"strength": 0.5}, seed=1)
        return {**asked.model_dump(mode="json"), **changes}

    now = body()
    old = {name: value for name, value in now.items() if name != "quality"} | {"view": {"window": "auto"}}
    new = {**now, "defaults": {"strength": 0.5, "added": 3}}
    others = ({**new, "quality": 80}, {**new, "defaults": {"strength": 0.6}}, {**new, "parameters": {"prompt": "y"}})
    with Ledger.open(tmp_path, "a test") as ledger:
        ledger.add([entry("a", body=old)])
        ledger.record([done(claimed(ledger, ledger.begin_worker("w", "cpu", {})))])
        assert ledger.add([entry("a", line="1" * 64, body=new)]).same == 1
        assert ledger.add([entry("a", line="1" * 64, body=new)]).same == 1
        assert [row.state for row in ledger.rows()] == ["done"]
    assert still_the_same(old, new) and not any(still_the_same(old, other) for other in others)
    assert not still_the_same(now, now)  # nothing is new: it is for the hash of the line to say
