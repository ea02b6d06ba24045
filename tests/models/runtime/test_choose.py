"""``auto`` is settled from packages, device and planned rows alone; a wrong name says which there are."""

from __future__ import annotations

import pytest

from scumble.errors import InputError
from scumble.models.runtime import choose


def test_auto_takes_openvino_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "installed_version", lambda: "2026.4.1")
    assert choose.settle("auto", "cpu", 50) == "torch"
    assert choose.settle("auto", "cpu", choose.PAYS_FROM) == "openvino"
    assert choose.settle("auto", "cpu", None) == "openvino"
    assert choose.settle("auto", "cuda", None) == "torch"
    monkeypatch.setattr(choose, "installed_version", lambda: None)
    assert choose.settle("auto", "cpu", None) == "torch"


def test_what_was_named_is_never_changed() -> None:
    assert choose.settle("openvino", "cuda", 1) == "openvino"
    assert choose.settle("torch", "cpu", None) == "torch"


def test_an_unknown_runtime_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="openvino"):
        choose.parse_runtime("openvno")
    assert choose.parse_runtime(None) == "torch"
