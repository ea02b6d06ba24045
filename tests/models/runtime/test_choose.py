"""``auto`` is settled from packages, device and planned rows alone; a wrong name says which there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scumble.errors import InputError
from scumble.models.runtime import choose
from scumble.models.runtime.installed import import_openvino, installed_version

TINY = Path(__file__).parents[2] / "reference" / "tiny-sd"


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


def test_auto_precision_is_bfloat16_only_where_the_processor_has_it_and_rounding_averages_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choose, "computes_bfloat16", lambda: True)
    assert choose.settle_precision("auto", "openvino", 50) == "bfloat16"
    assert choose.settle_precision("auto", "openvino", 4) == "float32"
    assert choose.settle_precision("auto", "torch", 50) == "float32"
    assert choose.settle_precision(None, "openvino", 50) == "float32"
    assert choose.settle_precision("bfloat16", "openvino", 4) == "bfloat16"
    monkeypatch.setattr(choose, "computes_bfloat16", lambda: False)
    assert choose.settle_precision("auto", "openvino", 50) == "float32"


def test_a_first_small_edit_under_auto_is_torch_and_touches_neither_openvino_nor_the_cache(tmp_path: Path) -> None:
    code = (
        "import sys, numpy, scumble;"
        f" editor = scumble.Editor.from_pretrained({str(TINY)!r}, device='cpu', runtime='auto', dtype='auto');"
        " method = scumble.SDEdit(prompt='a cat', num_inference_steps=2);"
        " result = editor.edit(numpy.zeros((64, 64, 3), numpy.uint8), method, seed=1);"
        " print(result.recipe.environment['runtime'], 'openvino' in sys.modules)"
    )
    environment = {**os.environ, "SCUMBLE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["torch", "False"]
    assert not (tmp_path / "cache" / "runtime").exists()


def test_a_version_that_is_too_old_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2023.1.0")
    assert installed_version() is None
    with pytest.raises(InputError, match=r"installed is 2023\.1\.0: pip install --upgrade"):
        import_openvino()
