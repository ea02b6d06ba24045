"""What follows the brush: only the newest wish is made, by one session that stays, and what is overtaken stops."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import CancelledError
from scumble.models.runtime.choose import settle
from scumble.records.file_ref import FileRef
from scumble.records.request import Request
from scumble.studio.events import Events
from scumble.studio.jobs import Jobs
from scumble.studio.jobs_state import JobsState
from scumble.studio.live import Live, Overtaken
from scumble.studio.worker import Maker


def wish(name: str) -> tuple[dict[str, Any], Future[Any]]:
    return {"name": name}, Future()


def test_of_three_wishes_the_first_is_stopped_the_second_never_begins_and_the_third_is_answered() -> None:
    live = Live()
    first, second, third = wish("first"), wish("second"), wish("third")
    live.want(first)
    assert live.begin() == {"name": "first"}
    assert live.number < 0
    live.want(second)
    live.want(third)
    with pytest.raises(Overtaken):
        second[1].result(0)
    live.finished({"outcome": "cancelled"})
    with pytest.raises(Overtaken):
        first[1].result(0)
    assert live.begin() == {"name": "third"}
    live.finished({"jpeg": b"picture"})
    assert third[1].result(0) == b"picture"
    assert live.begin() is None


def test_a_fault_comes_with_its_sentence() -> None:
    live = Live()
    one = wish("one")
    live.want(one)
    live.begin()
    live.finished({"outcome": "raised", "error": "the map is of another shape"})
    with pytest.raises(RuntimeError, match="another shape"):
        one[1].result(0)


def test_strokes_are_followed_by_one_session_and_a_stroke_that_is_overtaken_stops(
    tiny_editor: Editor, tmp_path: Path
) -> None:
    Image.new("RGB", (32, 32), (120, 90, 60)).save(tmp_path / "photo.png")
    maker = Maker()
    maker._editor = tiny_editor

    def payload(strength: int) -> dict[str, Any]:
        Image.new("L", (32, 32), strength).save(tmp_path / f"{strength}.png")
        request = Request(
            image=FileRef(path="photo.png"),
            method="differential-diffusion",
            parameters={"prompt": "a", "num_inference_steps": 3},
            change_map=FileRef(path=f"{strength}.png"),
            seed=1,
        )
        return {"live": True, "request": request.model_dump(mode="json"), "folder": str(tmp_path), "side": 32}

    def tell(kind: str, **data: Any) -> None:
        raise AssertionError("a live edit is no job: nobody is told of its progress")

    shown = maker.make(payload(255), tell, lambda: False)["jpeg"]
    session = maker._live
    other = maker.make(payload(128), tell, lambda: False)["jpeg"]
    assert maker._live is session
    assert shown[:2] == other[:2] == b"\xff\xd8" and shown != other
    with pytest.raises(CancelledError):
        maker.make(payload(200), tell, lambda: True)
    assert maker.make(payload(255), tell, lambda: False)["jpeg"] == shown


def test_a_runtime_is_settled_by_name_when_the_model_is_loaded(tiny_editor: Editor) -> None:
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"runtime": "torch", "dtype": "float32"}, {"runtime": "torch", "dtype": "float32"}),
        ({"runtime": "auto"}, {"runtime": settle("auto", "cpu", None)}),
    ]
    for given, expected in cases:
        maker = Maker(**given)
        maker._editor, maker._seconds_a_row = tiny_editor, 1.0
        assert maker.answer_load(None)["computed"] == expected


class Crew:
    """Notes what is handed out."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def idle(self) -> bool:
        return True

    def give(self, name: str, task: Any) -> None:
        self.given.append(task.payload)

    def ask(self, name: str, what: str, data: Any) -> None:
        self.given.append(what)


def test_a_stroke_goes_before_what_it_will_cost_and_behind_what_is_kept_or_loaded(tmp_path: Path) -> None:
    def queue(queued: int, *asked: str) -> tuple[Any, Crew]:
        jobs, crew = Jobs.__new__(Jobs), Crew()
        ledger = SimpleNamespace(
            paused=lambda: None, counts=lambda: {"queued": queued}, claim=lambda worker: None,
        )  # fmt: skip
        JobsState.__init__(jobs, tmp_path, Events(), None, {})
        jobs._crew, jobs._ledger, jobs._worker = crew, ledger, 1  # type: ignore[assignment]
        jobs.model["state"] = "ready"
        jobs._questions = [(what, {}, Future()) for what in asked]
        jobs._following.want(wish("stroke"))
        jobs._hand_out()
        return jobs, crew

    assert queue(0, "count", "count")[1].given == [{"name": "stroke"}]
    assert queue(0, "count", "load")[1].given == ["count"]
    assert queue(1, "count")[1].given == ["count"]
    assert queue(0)[1].given == [{"name": "stroke"}]
