"""The page's method runs as it stands, with the promises that every method makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.editing.editor import Editor

PAGE = Path(__file__).parents[2] / "docs" / "add-a-method.md"


def test_the_worked_example_runs_and_keeps_what_every_method_promises(
    tiny_editor: Editor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Editor, "from_pretrained", classmethod(lambda cls: tiny_editor))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes").mkdir()
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    image.save(tmp_path / "scenes" / "000045.png")
    names: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    result: scumble.Result = names["result"]
    assert result.recipe.parameters["cells"] == 4 and result.cost.network_calls > 0
    method = names["CoarseRedraw"]
    half = np.zeros((64, 64), np.float32)
    half[:32] = 1
    kept = tiny_editor.edit(image, method(num_inference_steps=3, change_map=half), seed=1).image
    assert np.array_equal(np.asarray(kept)[32:], np.asarray(image)[32:])
    assert not np.array_equal(np.asarray(kept)[:32], np.asarray(image)[:32])
    same = tiny_editor.edit(image, method(num_inference_steps=3, strength=0), seed=1).image
    assert np.array_equal(np.asarray(same), np.asarray(image))
