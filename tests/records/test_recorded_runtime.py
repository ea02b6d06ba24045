"""What ``auto`` means in a request is settled once, before anything is made."""

from __future__ import annotations

import pytest

from scumble.errors import InputError
from scumble.models.runtime import choose
from scumble.records.recorded_runtime import settled_runtime
from scumble.records.request import Request


def asked(steps: int | None = None, **model: str) -> Request:
    parameters = {} if steps is None else {"num_inference_steps": steps}
    return Request.model_validate({"method": "sdedit", "parameters": parameters, "model": model})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "installed_version", lambda: "2026.4")
    monkeypatch.setattr(choose, "computes_bfloat16", lambda: True)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("model", "steps", "expected"),
    [
        ({"runtime": "auto"}, 4, ("openvino", None)),
        ({"runtime": "auto", "dtype": "auto"}, 4, ("openvino", "float32")),
        ({"runtime": "auto", "dtype": "auto"}, 50, ("openvino", "bfloat16")),
        ({"runtime": "auto", "dtype": "auto"}, None, ("openvino", "bfloat16")),
        ({"runtime": "auto", "dtype": "float16"}, 50, ("torch", "float16")),
        ({"dtype": "auto"}, 50, ("torch", "float32")),
    ],
)
def test_auto_becomes_a_name(model: dict[str, str], steps: int | None, expected: tuple[str, str | None]) -> None:
    settled = settled_runtime(asked(steps, **model), "cpu").model
    assert (settled.runtime, settled.dtype) == expected


def test_where_it_is_not_installed_auto_is_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "installed_version", lambda: None)
    settled = settled_runtime(asked(50, runtime="auto", dtype="auto"), "cpu").model
    assert (settled.runtime, settled.dtype) == ("torch", "float32")


def test_a_request_without_auto_is_left_as_it_is() -> None:
    for one in (asked(), asked(runtime="openvino", dtype="bfloat16")):
        assert settled_runtime(one, "cpu") is one


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(InputError, match="runtime must be one of"):
        settled_runtime(asked(runtime="onnx", dtype="auto"), "cpu")
