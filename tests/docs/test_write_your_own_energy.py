"""The page's examples are run as they stand, on a tiny model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scumble
from scumble.editing.editor import Editor
from scumble.energies.protocol import Energy

PAGE = Path(__file__).parents[2] / "docs" / "write-your-own-energy.md"


def test_the_examples_run_and_do_what_they_say(
    tiny_editor: Editor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Editor, "from_pretrained", classmethod(lambda cls: tiny_editor))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, Any] = {}
    for block in blocks:
        short = block.replace("num_inference_steps=10", "num_inference_steps=3")
        exec(compile(short, str(PAGE), "exec"), names)
    assert (tmp_path / "brighter.png").is_file()

    def top(result: scumble.Result) -> float:
        pixels = np.asarray(result.image.convert("L"), float)
        return float(pixels[: len(pixels) // 2].mean())

    assert top(names["wished"]) > top(names["plain"])
    assert names["moved"].cost.backward_rows == 3
    assert isinstance(names["guide"].energy, Energy)
