"""Whatever stands in a field of a list, what is wrong with it is said in one line."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scumble.methods.registry import method_class, method_names
from scumble.records.list_lines import Line
from scumble.records.request import Request
from scumble.records.settle import FLAT, settle
from scumble.records.view import View
from scumble.records.wishes import Wishes

VALUES = (None, True, 5, -1.5, 10**400, "", "x", "\0", "words:", "a" * 5000, "..", [], [1], ["x"], [[1, 2], [3, 4]], {},
          {"a": 1}, {"path": 5}, {"path": "x"}, {"words": 3}, {"name": []}, [{"kind": "paint", "mask": 3}])  # fmt: skip
MORE = ("lora", "textual_inversion", "label.x", "parameters", "view", "model", "also", "no-such-field")
TRIED = int(os.environ.get("SCUMBLE_FUZZ", "60"))
"""Values of the fields of each method."""


def lines(method: str) -> Iterator[dict[str, Any]]:
    """Lines with a value that was not meant for one of their fields: each for what all have, some for the method's."""
    kind: Any = method_class(method)
    base = {"method": method, "image": "p.png"} if kind.takes_image else {"method": method}
    if method == "differential-diffusion":
        yield from ({**base, name: value} for name in (*Request.model_fields, *View.model_fields, *FLAT, *MORE)
                    for value in VALUES)  # fmt: skip
    chance = random.Random(method)
    yield from ({**base, chance.choice([*kind.model_fields]): chance.choice(VALUES)} for _ in range(TRIED))


@pytest.mark.parametrize("method", method_names())
def test_a_line_becomes_a_request_or_problems_of_one_line(method: str, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "p.png")
    refused = 0
    for fields in lines(method):
        for cells in (False, True):
            if cells and not all(isinstance(value, str) for value in fields.values()):
                continue
            (one,) = settle([Line("l", 1, fields, str(tmp_path), cells=cells)], Wishes())
            assert (one.request is None) is bool(one.problems), fields
            assert all(0 < len(problem.text) < 1000 and "\n" not in problem.text for problem in one.problems), fields
            refused += one.request is None
            if one.request is not None:
                one.request.line()
    assert refused
