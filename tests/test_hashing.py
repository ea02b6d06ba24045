"""Hashes that stand in recipes, inversions and directions written before must not change."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from scumble.hashing import files_sha256, sha256, state_sha256, tensor_sha256, tensors_sha256


def test_texts_and_bytes_are_hashed_one_after_the_other() -> None:
    assert sha256("é", b"\x00") == hashlib.sha256("é".encode() + b"\x00").hexdigest()


def test_files_are_hashed_in_the_order_of_their_names(tmp_path: Path) -> None:
    paths = [tmp_path / "b", tmp_path / "a"]
    for path in paths:
        path.write_text(path.name)
    assert files_sha256(paths) == hashlib.sha256(b"ab").hexdigest()


def test_hashes_of_tensors_are_those_of_version_0_1() -> None:
    values = torch.arange(6.0).reshape(2, 3)
    raw = values.numpy().tobytes()
    assert tensor_sha256(values) == hashlib.sha256(b"(2, 3)" + raw).hexdigest()
    assert tensors_sha256({"b": values, "a": values}) == (
        hashlib.sha256(b"a:(2, 3):torch.float32:" + raw + b"b:(2, 3):torch.float32:" + raw).hexdigest()
    )
    layer = nn.Linear(3, 2, bias=False)
    layer.load_state_dict({"weight": values})
    assert state_sha256(layer) == hashlib.sha256(b"weight torch.float32 (2, 3)\n" + raw).hexdigest()


def test_half_precision_and_single_numbers_can_be_hashed() -> None:
    one = {"x": torch.tensor(1.0, dtype=torch.bfloat16)}
    assert tensors_sha256(one) != tensors_sha256({"x": torch.tensor(2.0, dtype=torch.bfloat16)})
