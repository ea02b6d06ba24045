"""Every script of ``examples/`` runs, on tiny networks; what starts other processes is only read."""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble.models.loading
from tests.support.tiny_bundled import NAMES, loads_tiny, tiny_bundled

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("bundled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scumble.models.loading, "_bundled", loads_tiny(tiny_bundled(folder)))
        yield folder / NAMES[0]


def run(name: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """Run an example as a script, with few steps; return its names."""
    code = (EXAMPLES / name).read_text(encoding="utf-8").replace("num_inference_steps=20", "num_inference_steps=3")
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(EXAMPLES / name)}
    monkeypatch.setattr(sys, "argv", [name, *words])
    exec(compile(code.replace("STEPS = 20", "STEPS = 3"), name, "exec"), names)
    return names


def test_five_diffusers_calls_stand_beside_ours(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("from_diffusers.py", monkeypatch, str(tiny))
    for name in ("text", "img2img", "inpaint", "solver", "several"):
        theirs, ours = (Image.open(f"{name}.{whose}.png") for whose in ("diffusers", "scumble"))
        assert theirs.size == ours.size, name
    source, kept = (np.asarray(Image.open(f"{name}.scumble.png")) for name in ("text", "inpaint"))
    assert np.array_equal(source[:20], kept[:20])


def test_the_service_edits_what_is_posted_and_refuses_in_one_line(
    tiny: Path, tmp_path: Path, picture: Image.Image
) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'scumble[studio]'")
    app = runpy.run_path(str(EXAMPLES / "behind_fastapi.py"))["app"]
    picture.save(tmp_path / "in.png")
    body = (tmp_path / "in.png").read_bytes()
    status, answer = post(app, "/edit", "prompt=a+red+cube&steps=3", body)
    assert status == 200 and answer.startswith(b"\x89PNG")
    status, answer = post(app, "/edit", "prompt=a+red+cube&strength=7", body)
    assert status == 422 and b"strength" in answer
    status, answer = post(app, "/edit", "prompt=a+red+cube", b"no picture")
    assert status == 422 and b"\n" not in answer


def post(app: Any, path: str, query: str, body: bytes) -> tuple[int, bytes]:
    """Ask an ASGI application once, in a thread with a loop of its own."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"content-length", str(len(body)).encode())],
        "scheme": "http",
        "server": ("localhost", 80),
        "root_path": "",
    }
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(app(scope, receive, send))).result()
    content = b"".join(message.get("body", b"") for message in sent)
    return next(message["status"] for message in sent if "status" in message), content


def test_an_energy_of_your_own_makes_the_ground_golden(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = run("own_energy.py", monkeypatch)
    plain = names["scumble"].TextToImage(prompt="a large blue sphere on sand by day", num_inference_steps=3)
    without = scumble.Editor.from_pretrained().generate(plain, seed=7).image

    def distance(image: Image.Image) -> float:
        lower = np.asarray(image.convert("RGB"), float)[image.height // 2 :] / 127.5 - 1
        return float(np.square(lower - names["GOLD"]).mean())

    assert distance(Image.open("golden.png")) < distance(without)


def test_somebody_elses_results_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run("evaluate_others.py", monkeypatch)
    assert capsys.readouterr().out.count("tint recolour-") == 2


def test_the_list_for_ray_is_made_of_valid_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster itself is tested in tests/work/test_ray.py; here its place is taken by what checks the list."""
    given: list[dict[str, Any]] = []

    class Checked:
        def __enter__(self) -> list[Any]:
            return []

        def __exit__(self, *error: object) -> None: ...

    def batch(requests: list[dict[str, Any]], folder: str, *, ray: dict[str, str]) -> Checked:
        assert ray == {"address": "local"} and folder == "out"
        given.extend(requests)
        return Checked()

    monkeypatch.setattr(scumble, "batch", batch)
    assert runpy.run_path(str(EXAMPLES / "batch_on_ray.py"))["main"]() == 0
    for request in given:
        fields = {name: value for name, value in request.items() if name not in ("method", "seed", "id")}
        scumble.Request(method=request["method"], parameters=fields, seed=request["seed"], id=request["id"])
    assert len({request["id"] for request in given}) == 4
