"""What makes the checkout too large is named."""

from __future__ import annotations

from pathlib import Path

from scumble_lab.limits import check, tracked


def test_the_largest_files_are_named_above_a_limit(tmp_path: Path) -> None:
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "model.safetensors").write_bytes(b"x" * 3000)
    (tmp_path / "small.txt").write_bytes(b"x")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert check(files) == []
    (fault,) = check(files, weights=2999)
    assert fault.startswith("bundled weights") and "model.safetensors" in fault
    assert [line.split(":")[0] for line in check(files, tree=3000, weights=2000)] == ["the tree", "bundled weights"]


def test_this_checkout_is_within_its_limits() -> None:
    files = tracked(Path(__file__).parents[2])
    assert len(files) > 100
    assert check(files) == []
