"""What nobody's page sends: bodies of the wrong kind, recipes that lie, a disk that is full. Each gets one sentence."""

from __future__ import annotations

import io
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.testclient import TestClient

from scumble.studio.app import Studio, make_app
from scumble.studio.events import Events
from scumble.studio.forms import Forms
from scumble.studio.inversions import Inversions
from scumble.studio.jobs import Jobs
from scumble.studio.maps import Maps
from scumble.studio.pictures import Pictures
from scumble.studio.store import Store
from scumble.studio.texts import Texts


class Quiet:
    """A queue and an engine without processes: calls are done at once, questions are never answered."""

    def __init__(self) -> None:
        self.defaults: dict[str, Any] = {}
        self.model: dict[str, Any] = {"name": "m", "choices": ["still-life"]}
        self.takes_text, self.instructs, self.live, self.jpegs = True, False, {}, {}

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function())
        return done

    def ask(self, what: str, **data: Any) -> Future[Any]:
        asked: Future[Any] = Future()
        asked.set_exception(RuntimeError("nobody is here"))
        return asked

    def rows(self, *states: str) -> list[Any]:
        return []

    def cancel(self, numbers: list[int], now: bool) -> None:
        return None

    def busy(self) -> bool:
        return True

    def seconds_for(self, rows: int) -> None:
        return None

    def snapshot(self) -> dict[str, Any]:
        return {"jobs": [], "queue": {}, "model": self.model}


FORMS = Forms("scumble.cli.flags")


@pytest.fixture(scope="module")
def methods() -> list[dict[str, Any]]:
    return FORMS.methods()


@pytest.fixture
def client(tmp_path: Path, methods: list[dict[str, Any]]) -> Iterator[TestClient]:
    hidden = tmp_path / ".scumble"
    hidden.mkdir()
    quiet: Any = Quiet()
    store = Store(hidden / "ledger.sqlite")
    studio = Studio(
        tmp_path, Events(), store, Pictures(hidden), Maps(hidden), Inversions(hidden), Texts(hidden), quiet, quiet,
        FORMS,
    )  # fmt: skip
    studio.methods = methods
    client = TestClient(make_app(studio), raise_server_exceptions=True)
    client.studio = studio  # type: ignore[attr-defined]
    yield client
    store.close()


def picture(recipe: Any = None) -> bytes:
    info = PngInfo()
    if recipe is not None:
        info.add_itxt("scumble", recipe if isinstance(recipe, str) else json.dumps(recipe))
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (90, 80, 70)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


WRONG: tuple[Any, ...] = ([], "x", 7, True, {"a": [1]}, [[1, 2]], None)
BODIES = [
    ("PUT", "/api/draft", {"version": "x"}),
    ("POST", "/api/pictures/still-life", {"seed": "x"}),
    ("POST", "/api/pictures/still-life", {"seed": 1e300}),
    ("POST", "/api/jobs/cancel", {"job": "x"}),
    ("POST", "/api/jobs/cancel", {"job": {"a": 1}}),
    ("POST", "/api/command", {"text": "scumble edit x.png --seed abc"}),
    ("POST", "/api/command", {"text": "scumble edit x.png --count 1e9"}),
    ("POST", "/api/command", {"text": "scumble edit x.png --also-words sunset"}),
    ("POST", "/api/command", {"text": "scumble edit 'x.png"}),
    ("POST", "/api/command", {"text": "scumble edit x.png --method ../../x"}),
    ("POST", "/api/model", {"name": "/etc/passwd"}),
    ("POST", "/api/plan", {"picture": "../../etc/passwd"}),
    ("POST", "/api/jobs", {"picture": "a" * 64, "seed": -1}),
    ("POST", "/api/jobs", {"picture": "a" * 64, "count": 65}),
    ("POST", "/api/maps/words", {"picture": "a" * 64, "word": "x" * 201, "caption": ""}),
    ("POST", "/api/jobs/x/again", {}),
    ("PATCH", "/api/inversions/..", {"name": "x"}),
]


@pytest.mark.parametrize(("method", "path", "body"), BODIES, ids=[f"{k}-{one[1]}" for k, one in enumerate(BODIES)])
def test_a_body_of_the_wrong_kind_is_refused_with_a_sentence(
    client: TestClient, method: str, path: str, body: Any
) -> None:
    answer = client.request(method, path, json=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"] and "\n" not in answer.json()["error"]
    for wrong in ("[", "[1]", "[" * 100_000, "\xff", '"x"', "3"):
        assert client.request(method, path, content=wrong.encode("latin-1")).status_code in range(400, 500)


def test_a_size_or_an_id_that_lies_is_refused(client: TestClient) -> None:
    for size in ("0x0", "999999x999999", "4x", "-1x-1", "4x4x4"):
        assert client.post("/api/maps", content=b"x", headers={"X-Size": size}).status_code == 400
    for name in ("..", "a" * 64, "%2e%2e", "x.png.png"):
        assert client.get(f"/api/maps/{name}").status_code == 404
        assert client.get(f"/api/results/{name}/file").status_code == 404
        assert client.get(f"/api/pictures/{name}").status_code == 404
    assert client.post("/api/pictures", content=b"x" * (64 * 2**20 + 1)).status_code == 413


@pytest.mark.parametrize("part", ["parameters", "view", "input", "change_map", "files", "inversion", "seed", "index"])
def test_a_recipe_that_lies_is_data_and_no_more(client: TestClient, part: str) -> None:
    for wrong in WRONG:
        recipe = {"method": "differential-diffusion", "parameters": {"prompt": "a"}, part: wrong}
        answer = client.post("/api/pictures", content=picture(recipe), headers={"X-Name": "x.png"})
        assert answer.status_code == 200, answer.text
        assert isinstance(answer.json()["recipe"]["parameters"], dict)


def test_parameters_points_and_words_of_a_recipe_that_lie_are_left_out(client: TestClient) -> None:
    for name in ("points", "placed_words", "prompt"):
        for wrong in WRONG:
            recipe = {"method": "differential-diffusion", "parameters": {name: wrong}, "files": {"x": 1, "y": []}}
            brought = client.post("/api/pictures", content=picture(recipe)).json()["recipe"]
            assert brought["points"] == [] and all("text" in one for one in brought["places"])
    deep = '{"method": "sdedit", "parameters": ' + "[" * 100_000
    assert client.post("/api/pictures", content=picture(deep)).json()["recipe"] is None
    huge = '{"method": "sdedit", "parameters": {"strength": 1e999, "guidance_scale": NaN}}'
    assert client.post("/api/pictures", content=picture(huge)).status_code == 200


def test_few_copies_are_kept_whatever_sizes_are_asked_for(client: TestClient, tmp_path: Path) -> None:
    digest = client.post("/api/pictures", content=picture(), headers={"X-Name": "x.png"}).json()["id"]
    for side in (1, 2, 3, 150, 161, 319, 5000, 10**9, -4):
        assert client.get(f"/api/pictures/{digest}/display?max={side}").status_code == 200
    assert len(list((tmp_path / ".scumble" / "copies").iterdir())) <= 4


def test_a_full_disk_has_its_sentence_and_the_next_request_is_answered(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any, **more: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    def no_space(*given: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(client.studio.store, "keep_draft", full)  # type: ignore[attr-defined]
        answer = client.put("/api/draft", json={"version": 0})
        assert answer.status_code == 507 and "disk is full" in answer.json()["error"]
    with monkeypatch.context() as patch:
        patch.setattr("scumble.studio.maps.write_bytes", no_space)
        import zlib

        answer = client.post("/api/maps", content=zlib.compress(bytes(4)), headers={"X-Size": "2x2"})
        assert answer.status_code == 507 and "No space left" in answer.json()["error"]
    assert client.put("/api/draft", json={"version": 0}).status_code == 200


def test_the_queue_outlives_a_ledger_that_cannot_be_written() -> None:
    jobs: Any = object.__new__(Jobs)
    events, turns, ended = Events(), [], threading.Event()
    jobs.events, jobs._closing, jobs._halted = events, False, None

    def turn() -> None:
        turns.append(jobs._halted)
        if len(turns) == 1:
            raise sqlite3.OperationalError("database or disk is full")
        jobs._closing = True

    jobs._turn, jobs._end = turn, ended.set
    jobs._run()
    assert ended.is_set() and turns[0] is None and "disk is full" in str(turns[1])
    published = [json.loads(text) for _, text in events.since(0) or []]
    assert [one["kind"] for one in published] == ["queue", "news"]
    lost, noted = SimpleNamespace(number=3), []
    jobs.live, jobs._at = {3: {}}, None
    jobs._ledger = SimpleNamespace(
        pause=lambda reason: None, paused=lambda: None, record=noted.extend,
        rows=lambda *states: [lost] if "running" in states else [],
    )  # fmt: skip
    jobs._tell = lambda number: {}
    jobs.pause(None)
    assert [(one.number, one.kind) for one in noted] == [(3, "interrupted")] and jobs._halted is None
