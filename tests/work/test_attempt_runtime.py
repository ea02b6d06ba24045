"""Runtime ``auto`` in a batch: what it came to is a name, and a network that this cannot take is PyTorch's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scumble.errors import CheckpointError
from scumble.models.runtime import choose
from scumble.records.list_lines import Line
from scumble.records.request import Request
from scumble.records.wishes import Settled
from scumble.work.attempt import Attempt
from tests.work.test_batch import TINY


def nothing_converts(*_: object, **__: object) -> Any:
    raise RuntimeError("no rule for this layer")


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attempt:
    """A worker on whose machine OpenVINO is installed and converts nothing."""
    monkeypatch.setattr(pytest.importorskip("openvino"), "convert_model", nothing_converts)
    monkeypatch.setattr("scumble.models.runtime.cache.RuntimeCache.get", lambda *_: None)
    monkeypatch.setattr(choose, "installed_version", lambda: "2026.4")
    Image.new("RGB", (64, 64), (90, 120, 200)).save(tmp_path / "p.png")
    return Attempt(str(tmp_path), "token")


def made(attempt: Attempt, runtime: str) -> dict[str, Any]:
    fields = {"image": str(attempt.folder / "p.png"), "method": "sdedit", "seed": 1, "id": "a", "output": "a.png"}
    model = {"name": TINY, "runtime": runtime}
    request = Request.model_validate({**fields, "model": model, "parameters": {"num_inference_steps": 1}})
    line = Settled(Line("list", 1, {}, "."), request)
    settled = attempt._settled(line).request
    assert settled is not None and settled.model.runtime == "openvino"
    named = request.model.model_copy(update={"runtime": "openvino"})
    assert settled.line() == request.model_copy(update={"model": named}).line()  # who it is says nothing of auto
    payload = {"request": settled.model_dump(mode="json"), "output": "a.png"}
    return attempt.make(payload, lambda *_, **__: None, lambda *_: False)


def test_auto_falls_back_with_one_line(attempt: Attempt) -> None:
    outcome = made(attempt, "auto")
    assert outcome["files"] and len(outcome["notes"]) == 1
    assert outcome["notes"][0].endswith("(no rule for this layer): PyTorch runs it")


def test_a_runtime_by_name_is_an_error(attempt: Attempt) -> None:
    with pytest.raises(CheckpointError, match=r"no rule for this layer\): use --runtime torch"):
        made(attempt, "openvino")
