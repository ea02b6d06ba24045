"""What follows the brush: only the newest wish is made, by one session that stays, and what is overtaken stops."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import CancelledError
from scumble.models.runtime.choose import settle
from scumble.records.file_ref import FileRef
from scumble.records.request import Request
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
