"""Results that go to an address: whole or not at all, and nowhere that only their writer sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scumble.cli import main
from scumble.errors import InputError
from scumble.work.sink import RemoteSink


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "result.png"
    path.write_bytes(b"0123456789")
    return path


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("memory://out", "memory:// is the memory of one process, and workers are others"),
        ("simplecache::memory://out", "memory:// is the memory of one process"),
        ("nosuch://a/b", "Protocol not known: nosuch"),
    ],
)
def test_an_address_that_cannot_hold_results_ends_a_batch_with_one_line_and_nothing_filed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, expected: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "list.jsonl").write_text('{"method": "text-to-image", "prompt": "a"}')
    for more in ([], ["--dry-run"]):
        with pytest.raises(SystemExit) as end:
            main(["batch", str(tmp_path / "list.jsonl"), "-o", address, *more])
        errors = capsys.readouterr().err.splitlines()
        assert end.value.code == 2 and len(errors) == 1 and expected in errors[0]
    assert not list((tmp_path / "state").rglob("ledger.sqlite"))


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = RemoteSink(f"file://{tmp_path / 'far'}")
    pipe = type(sink._system).pipe_file

    def cut(self: Any, path: str, value: bytes, **options: Any) -> None:
        pipe(self, path, value[:4])
        raise OSError("the line broke")

    monkeypatch.setattr(type(sink._system), "pipe_file", cut)
    with pytest.raises(OSError, match="the line broke"):
        sink.put(source, "a/r.png")
    monkeypatch.undo()
    assert sink.size("a/r.png") is None and len(list((tmp_path / "far" / "a").iterdir())) == 1
    sink.clear_temporaries(["a/r.png", "nowhere/r.png"])
    assert not list((tmp_path / "far" / "a").iterdir())
    for _ in range(2):  # over what is there already, too
        assert sink.put(source, "a/r.png")["size"] == sink.size("a/r.png") == 10
    assert [one.name for one in (tmp_path / "far" / "a").iterdir()] == ["r.png"]


def test_an_address_is_tried_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    with pytest.raises(InputError, match="results cannot be written to file://"):
        RemoteSink(f"file://{tmp_path / 'taken' / 'out'}").probe()
    RemoteSink(f"file://{tmp_path / 'free'}").probe()
    assert not list((tmp_path / "free").iterdir())
