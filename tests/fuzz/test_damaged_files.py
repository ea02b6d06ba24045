"""Damaged and invented files of every kind Scumble reads: a clear error, or a value, and nothing else.

Some hundred cases of each with every test run; ``make fuzz`` tries tens of thousands (``SCUMBLE_FUZZ`` a kind).
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scumble.errors import ScumbleError
from scumble.images import load_image, load_map
from scumble.inversion.inversion import Inversion
from scumble.methods.asyrp.direction import Direction
from scumble.methods.attention.direction_file import load_direction
from scumble.methods.extras.parse import parse_also
from scumble.records.metadata import KEY
from scumble.records.recipe import read_recipe
from scumble_lab.bench.dragbench import read_points
from scumble_lab.bench.folder import make, open_folder

CASES = int(os.environ.get("SCUMBLE_FUZZ", "120"))
RECORDED = Path(__file__).parents[1] / "reference_0_1" / "recipes"
ODD: tuple[Any, ...] = (None, True, -1, 0, 1e308, 2**63, "", "x" * 300, "../x", "/dev/zero", [], {}, [[]], "\x00", "é")


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, cut, doubled or shuffled."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if not body:
            break
        at = rng.randrange(len(body))
        kind = rng.randrange(5)
        if kind == 0:
            body[at] = rng.randrange(256)
        elif kind == 1:
            del body[at : at + rng.choice((1, 4, 100))]
        elif kind == 2:
            body[at:at] = rng.randbytes(rng.choice((1, 4, 40)))
        elif kind == 3:
            del body[at:]
        else:
            body[at : at + 8] = b"\xff" * 8
    return bytes(body)


def odd(value: Any, rng: random.Random) -> Any:
    """JSON in which something is missing, of another kind, or too much."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        changed = dict(value)
        key = rng.choice(list(changed))
        kind = rng.randrange(4)
        if kind == 0:
            del changed[key]
        elif kind == 1:
            changed[key] = rng.choice(ODD)
        elif kind == 2:
            changed[f"{key}_"] = rng.choice(ODD)
        else:
            changed[key] = odd(changed[key], rng)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.8:
        changed_list = list(value)
        at = rng.randrange(len(changed_list))
        changed_list[at] = odd(changed_list[at], rng)
        return changed_list
    return rng.choice(ODD)


def refused(read: Callable[[Path], Any], path: Path, number: int) -> bool:
    """Whether a file is refused; whatever is in it: a value or one line of error."""
    try:
        read(path)
    except ScumbleError as error:
        assert "\n" not in str(error), f"case {number}: {error}"
        return True
    except Exception as error:
        raise AssertionError(f"case {number} of {path.name}: {type(error).__name__}: {error}") from error
    return False


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "pictures": ("in.png", load_image),
    "maps": ("map.png", lambda path: load_map(path, (44, 36))),
    "recipes": ("sdedit.png", lambda path: read_recipe(path).build()),
    "inversions": ("ddim.inversion.safetensors", Inversion.load),
    "bottlenecks": ("shift.safetensors", Direction.load),
    "directions": ("shift.safetensors", load_direction),
}


@pytest.mark.parametrize("kind", READERS)
def test_damaged_bytes_are_a_clear_error(kind: str, tmp_path: Path) -> None:
    name, read = READERS[kind]
    data = (RECORDED / name).read_bytes()
    path = tmp_path / name
    no = 0
    for number in range(CASES):
        path.write_bytes(damaged(data, random.Random(f"{kind}/{number}")))
        no += refused(read, path, number)
    assert no  # some of it is refused


@pytest.mark.parametrize("name", ["sdedit", "p2p-picture", "guide-reference", "also-paint", "asyrp", "drag-noise"])
def test_recipes_that_nobody_wrote_are_a_clear_error(name: str, tmp_path: Path) -> None:
    from scumble.records.metadata import read_metadata

    shutil.copy(RECORDED / "in.png", tmp_path / "a.jpg")  # a picture without texts, so that the file beside it counts
    recipe, beside = read_metadata(RECORDED / f"{name}.png"), tmp_path / "a.jpg.json"
    no = 0
    for number in range(CASES):
        rng = random.Random(f"{name}/{number}")
        beside.write_text(json.dumps({KEY: json.dumps(odd(recipe, rng))}), encoding="utf-8")
        no += refused(lambda path: read_recipe(path).build(), tmp_path / "a.jpg", number)
    assert no  # some of it is refused


def test_extras_that_nobody_means_are_a_clear_error() -> None:
    given = {
        "wish": {"move": {"dog": [0.1, 0]}, "weight": 1},
        "present": {"words": ["dog"], "apart": True},
        "paint": {"color": "red", "weight": 2},
        "say": {"text": "a dog", "copies": 2},
        "shift": {"directions": ["snow"], "strengths": [1.0]},
    }
    no = 0
    for number in range(CASES):
        rng = random.Random(f"also/{number}")
        name = rng.choice(list(given))
        text = f"{name} {json.dumps(odd(given[name], rng))}"
        if rng.random() < 0.3:
            text = damaged(text.encode(), rng).decode("utf-8", "surrogateescape")
        no += refused(lambda path, text=text: parse_also(text), Path(name), number)  # type: ignore[misc]
    assert no  # some of it is refused


def test_benchmark_folders_that_nobody_made_are_a_clear_error(tmp_path: Path) -> None:
    make(tmp_path, ["recolour"], 1, size=16)
    no = 0
    for name in ("benchmark.json", "cases/recolour-000/case.json"):
        path = tmp_path / name
        text = path.read_text()
        for number in range(CASES):
            rng = random.Random(f"{name}/{number}")
            path.write_text(json.dumps(odd(json.loads(text), rng)))
            no += refused(lambda _: open_folder(tmp_path), path, number)
        path.write_text(text)
    assert no  # some of it is refused


def test_point_data_that_nobody_wrote_is_a_clear_error(tmp_path: Path) -> None:
    import pickle

    import numpy as np

    data = pickle.dumps({"prompt": "a", "points": np.zeros((4, 2)), "mask": np.zeros((8, 8))})
    no = 0
    for number in range(CASES):
        body = damaged(data, random.Random(f"points/{number}"))
        no += refused(lambda _, body=body: read_points(body), Path("meta_data.pkl"), number)  # type: ignore[misc]
    assert no  # some of it is refused
