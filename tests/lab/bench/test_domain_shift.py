"""A veil lies over the source and the truth alike, and leaves the task what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scumble.errors import InputError
from scumble_lab.bench.domain_shift import VEILS, veiled
from scumble_lab.bench.folder import make, open_folder
from scumble_lab.bench.tasks import draw


def pixels(image: object) -> np.ndarray:
    return np.asarray(image, dtype=float)


@pytest.mark.parametrize("kind", VEILS)
def test_truth_differs_from_source_only_where_it_did(kind: str) -> None:
    plain = draw("recolour", 0, seed=1)
    under = veiled(plain, kind, seed=1)
    assert plain.target is not None and under.target is not None
    same = (pixels(plain.source) == pixels(plain.target)).all(-1)
    assert same.any() and not same.all()
    assert (pixels(under.source)[same] == pixels(under.target)[same]).all()
    assert under.case == plain.case
    assert np.array_equal(np.asarray(under.change), np.asarray(plain.change))
    assert np.abs(pixels(under.source) - pixels(plain.source)).mean() > 4


@pytest.mark.parametrize("kind", VEILS)
def test_every_case_has_its_own_and_always_the_same(kind: str) -> None:
    one, other = (draw("floor", number, seed=1) for number in (0, 1))
    added = [pixels(veiled(s, kind, seed=1).source) - pixels(s.source) for s in (one, other)]
    assert not np.array_equal(*added)
    assert np.array_equal(pixels(veiled(one, kind, seed=1).source), pixels(veiled(one, kind, seed=1).source))
    assert not np.array_equal(pixels(veiled(one, kind, seed=1).source), pixels(veiled(one, kind, seed=2).source))


def test_folder_says_under_which_veil_it_lies(tmp_path: Path) -> None:
    make(tmp_path / "b", ["sky"], 1, seed=3, veil="dappled")
    assert "dappled" in open_folder(tmp_path / "b").name
    with pytest.raises(InputError, match="veil dappled, not none"):
        make(tmp_path / "b", ["sky"], 1, seed=3)


def test_unknown_veil_names_the_known_ones_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'grian'.*grain.*known: dappled, grain, strokes"):
        make(tmp_path / "b", ["sky"], 1, veil="grian")
    assert not (tmp_path / "b").exists()
