"""A file is whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scumble.errors import InputError
from scumble.files import atomic_write


def test_a_file_appears_under_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with atomic_write(target) as unfinished:
        unfinished.write_text("half")
        assert not target.exists() and unfinished.parent == tmp_path
        unfinished.write_text("whole")
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(target) as unfinished:
        unfinished.write_text("half of the new")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_contents_are_flushed_before_the_name_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    flush, replace = os.fsync, os.replace

    def flushed(handle: int) -> None:
        order.append("flush")
        flush(handle)

    def replaced(old: Path, new: Path) -> None:
        order.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", replaced)
    with atomic_write(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("x")
    assert order[:2] == ["flush", "replace"]


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    message = r"nowhere/a\.txt cannot be written: No such file"
    with pytest.raises(InputError, match=message), atomic_write(tmp_path / "nowhere" / "a.txt") as unfinished:
        unfinished.write_text("x")
