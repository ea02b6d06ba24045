"""What somebody else wrote: JSON, names and files that may be wrong, huge or hostile."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from scumble.cli import main
from scumble.errors import InputError
from scumble.files import _sweep, atomic_write
from scumble.images import save_image, sidecar_path
from scumble.untrusted import is_plain_name, parse_json, printable, regular_file


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "1e400", "9" * 400, '"\\ud800"', "[" * 9000, "[" * 70 + "]" * 70, "{"]
)
def test_json_that_nobody_means_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_json(text, "the list")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_json_is_read_as_it_is() -> None:
    assert parse_json('{"a": [1, 2.5, "é", null]}', "it") == {"a": [1, 2.5, "é", None]}


def test_only_plain_names_are_plain() -> None:
    assert all(map(is_plain_name, ("a.png", "case-1", "zwei Wörter")))
    assert not any(map(is_plain_name, ("", ".", "..", "a/b", "a\\b", "nul", "com1.txt", "a\0", "a\x1b[31m", "x" * 201)))


def test_info_shows_a_hostile_recipe_and_does_not_obey_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = PngImagePlugin.PngInfo()
    recipe = {"method": "a\x1b]0;title\x07", "parameters": {"prompt": "\x1b[2J\u202egnp.exe", "k\x1b[31m": "\r\n"}}
    texts.add_text("scumble", json.dumps(recipe))
    Image.new("RGB", (8, 8)).save(tmp_path / "in.png", pnginfo=texts)
    main(["info", str(tmp_path / "in.png")])
    told = capsys.readouterr().out
    assert "\\x1b[2J" in told and all(c.isprintable() for c in told.replace("\n", ""))
    assert told.count("\n") == 3


def test_terminals_are_not_commanded() -> None:
    assert printable("a\x1b[31mred\x07\u202e") == "a\\x1b[31mred\\x07\\u202e"


@pytest.mark.parametrize("name", ["pipe", "folder", "missing", "x" * 5000, "a\0b"])
def test_only_regular_files_are_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError):
        regular_file(tmp_path / name, "the file")
    with pytest.raises(InputError):
        regular_file("/dev/zero", "the file")


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_are_no_outputs(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out.png"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        (tmp_path / "elsewhere.png").write_bytes(b"precious")
        target.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(InputError, match=r"link|pipe"):
        save_image(Image.new("RGB", (4, 4)), target)
    assert kind == "pipe" or (tmp_path / "elsewhere.png").read_bytes() == b"precious"


def test_what_killed_writers_left_is_removed_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (".out.png.0123abcd.tmp", ".new.png.0123abcd.tmp", ".notes.tmp"))
    for path in (old, new, other):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 10_000))
    os.utime(other, (0, time.time() - 10_000))
    _sweep.cache_clear()
    with atomic_write(tmp_path / "out.txt") as unfinished:
        unfinished.write_text("whole")
    assert not old.exists() and new.exists() and other.exists()


def test_notes_of_other_software_beside_a_picture_are_not_overwritten(tmp_path: Path) -> None:
    sidecar_path(tmp_path / "a.jpg").write_text('{"title": "holiday"}')
    with pytest.raises(InputError, match=r"a\.jpg\.json"):
        save_image(Image.new("RGB", (4, 4)), tmp_path / "a.jpg", {"scumble": "{}"})
    assert not (tmp_path / "a.jpg").exists()
    assert "holiday" in sidecar_path(tmp_path / "a.jpg").read_text()
