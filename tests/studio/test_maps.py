"""Maps sent by a page are, bit for bit, what the engine loads of their PNG."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from scumble.errors import InputError
from scumble.hashing import tensor_sha256
from scumble.images import load_map
from scumble.studio.maps import Maps, inflated, size_of


def test_the_id_is_the_engines_hash_of_the_png(tmp_path: Path) -> None:
    strengths = np.random.default_rng(3).integers(0, 256, (37, 53), dtype=np.uint8)
    maps = Maps(tmp_path)
    digest = maps.add(inflated(zlib.compress(strengths.tobytes()), (53, 37)))
    path = maps.path(digest)
    assert path is not None
    assert tensor_sha256(load_map(path, (53, 37))[0]) == digest
    assert (maps.strengths(path) == strengths).all()


@pytest.mark.parametrize(
    "data", [b"", b"no zlib", zlib.compress(b"x" * 99), zlib.compress(b"x" * 101), zlib.compress(b"x" * 10**7)]
)
def test_other_sizes_and_damage_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        inflated(data, (10, 10))


@pytest.mark.parametrize("text", ["", "10", "0x5", "-1x5", "10x10x10", "99999x99999", "10X10", "1e3x4"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="WIDTHxHEIGHT"):
        size_of(text)


@pytest.mark.parametrize("digest", ["", "..", "../../etc", "a" * 63, "A" * 64, "g" * 64])
def test_an_id_is_a_hash_and_nothing_else(tmp_path: Path, digest: str) -> None:
    assert Maps(tmp_path).path(digest) is None
