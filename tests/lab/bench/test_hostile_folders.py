"""A benchmark folder from somebody else: its names stay inside it, and its files cannot take the memory."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scumble.errors import InputError
from scumble_lab.bench.dragbench import read_points
from scumble_lab.bench.folder import make, open_folder

NAMES = ["../outside", "/tmp/outside", "a/b", "..", ".", ".hidden", "", "con", "a\0b", "a\nb", "x" * 300, "c:\\x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    make(folder, ["recolour"], 1, size=32)
    return folder


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_cases_stay_inside_the_folder(folder: Path, name: str) -> None:
    index = folder / "benchmark.json"
    text = index.read_text()
    about = json.loads(text)
    try:
        index.write_text(json.dumps({**about, "cases": [name]}))
        with pytest.raises(InputError, match="plain name"):
            open_folder(folder)
    finally:
        index.write_text(text)


@pytest.mark.parametrize("name", [*NAMES, "another"], ids=range(len(NAMES) + 1))
def test_the_id_of_a_case_is_the_name_of_its_folder(folder: Path, name: str) -> None:
    path = folder / "cases" / "recolour-000" / "case.json"
    text = path.read_text()
    try:
        path.write_text(json.dumps({**json.loads(text), "id": name}))
        with pytest.raises(InputError):
            open_folder(folder)
    finally:
        path.write_text(text)
    assert len(open_folder(folder).cases) == 1


class Ordered:
    """Pickles as an order for an array of sixteen gigabytes without a value in it."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.order = call, arguments

    def __reduce__(self) -> Any:
        return self.order


RECONSTRUCT = np.zeros(1).__reduce__()[0]
BOMBS = [
    pickle.dumps({"prompt": "", "points": [], "mask": Ordered(np.ndarray, (2**30, 2))}),
    pickle.dumps({"prompt": "", "points": [], "mask": Ordered(RECONSTRUCT, np.ndarray, (2**31 - 1,), b"d")}),
    b"\x80\x02Nr" + struct.pack("<I", 2**31 - 2) + b".",
    pickle.dumps({"prompt": "", "points": [10**400], "mask": []}),
    b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".",
    b"\x80\x02" + b"(" * 1000 + b".",
    b"",
]


@pytest.mark.parametrize("data", BOMBS, ids=range(len(BOMBS)))
def test_a_small_pickle_cannot_take_much_memory(data: bytes) -> None:
    with pytest.raises(InputError):
        read_points(data)
