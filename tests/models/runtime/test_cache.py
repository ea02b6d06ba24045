"""Converted networks on the disk: whole or not there, checked when read, bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from scumble.errors import InputError
from scumble.models.runtime.cache import RuntimeCache

ABOUT = {"runtime": "openvino 1", "weights": "abc"}


def write(content: bytes = b"network"):
    def writer(folder: Path) -> None:
        (folder / "network.xml").write_bytes(content)
        (folder / "network.bin").write_bytes(content * 3)

    return writer


def test_an_entry_is_found_by_all_that_decides_it(tmp_path: Path) -> None:
    cache = RuntimeCache(tmp_path)
    assert cache.get(ABOUT) is None
    folder = cache.put(ABOUT, write())
    assert cache.get(ABOUT) == folder
    assert cache.get({**ABOUT, "weights": "abd"}) is None


@pytest.mark.parametrize("name", ["network.xml", "network.bin", "about.json"])
@pytest.mark.parametrize("content", [b"", b"network!", b"\x00" * 9])
def test_a_damaged_entry_is_not_used_and_is_removed(tmp_path: Path, name: str, content: bytes) -> None:
    cache = RuntimeCache(tmp_path)
    folder = cache.put(ABOUT, write())
    (folder / name).write_bytes(content)
    assert cache.get(ABOUT) is None and not folder.exists()


def test_an_entry_without_one_of_its_files_is_removed(tmp_path: Path) -> None:
    cache = RuntimeCache(tmp_path)
    folder = cache.put(ABOUT, write())
    (folder / "network.bin").unlink()
    assert cache.get(ABOUT) is None and not folder.exists()


def test_a_failed_conversion_leaves_nothing(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / "network.xml").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    cache = RuntimeCache(tmp_path)
    with pytest.raises(InputError, match="No space left"):
        cache.put(ABOUT, fails)
    assert list(tmp_path.iterdir()) == [] and cache.get(ABOUT) is None


def test_of_two_processes_that_convert_at_once_one_entry_stays(tmp_path: Path) -> None:
    first, second = RuntimeCache(tmp_path), RuntimeCache(tmp_path)

    def meanwhile(folder: Path) -> None:
        second.put(ABOUT, write())
        write()(folder)

    folder = first.put(ABOUT, meanwhile)
    assert first.get(ABOUT) == folder
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_the_least_recently_used_goes_first_and_the_newest_stays(tmp_path: Path) -> None:
    import os

    cache = RuntimeCache(tmp_path, limit=3000)
    folders = []
    for k in range(4):
        folders.append(cache.put({**ABOUT, "weights": str(k)}, write(b"x" * 200)))
        os.utime(folders[-1] / "about.json", (k + 1, k + 1))
    small = RuntimeCache(tmp_path, limit=2500)
    newest = small.put({**ABOUT, "weights": "new"}, write(b"x" * 200))
    left = {entry.folder for entry in small.entries()}
    assert newest in left and folders[0] not in left and folders[3] in left


def test_clearing_removes_everything_and_says_how_much(tmp_path: Path) -> None:
    cache = RuntimeCache(tmp_path)
    cache.put(ABOUT, write())
    (tmp_path / ".left.tmp").mkdir()
    assert cache.clear() > 28
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(InputError, match="cannot keep a converted network"):
        RuntimeCache(blocked).put(ABOUT, write())
