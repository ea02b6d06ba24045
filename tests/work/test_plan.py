"""What a dry run says of long lists: counted on a few of each kind, problems named where they are."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from scumble.cli import batch_plan
from scumble.work.entry import Entry


class Todo:
    """A batch whose requests cost as many rows as their map's name says; one picture cannot be read."""

    def __init__(self, folder: Any, entries: list[Entry]) -> None:
        self.folder, self.entries, self.asked = folder, entries, list[str]()

    def check(self) -> Any:
        return type("Checked", (), {"named": self.entries})

    def plans(self, bodies: Any) -> list[dict[str, Any]]:
        self.asked = [body["change_map"]["path"] for body in bodies]
        return [self.plan(int(path.rpartition("m")[2].removesuffix(".png"))) for path in self.asked]

    def plan(self, k: int) -> dict[str, Any]:
        if k == 0:
            return {"problem": "p0 cannot be read"}
        return {"forward": 10 + k % 3, "backward": 0, "exact": True, "seconds": (1.0, 2.0), "pixels": 64 * 64}


def entries(folder: Any, count: int, side: int) -> list[Entry]:
    Image.new("L", (side, side)).save(folder / "p.png")
    made = []
    for k in range(count):
        Image.new("L", (side, side)).save(folder / f"m{k}.png")
        body = {"parameters": {"prompt": str(k)}, "image": {"path": str(folder / "p.png")},
                "change_map": {"path": str(folder / f"m{k}.png")}}  # fmt: skip
        made.append(Entry(f"r{k}", "", body, f"r{k}.png", source=k + 1))
    return made


@pytest.mark.parametrize(("count", "taken"), [(4, 0), (100, 92)])
def test_a_few_of_a_kind_are_counted_and_that_is_said(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, count: int, taken: int
) -> None:
    monkeypatch.setattr(batch_plan, "entries_of", lambda named: named)
    todo: Any = Todo(tmp_path, entries(tmp_path, count, 8))
    record = batch_plan.counted(todo)
    assert record["kinds"] == 1 and record["taken"] == taken and len(todo.asked) == count - taken
    assert record["forward"] == 12 * count and record["seconds"] == [count, 2 * count] and record["unmeasured"] == 0
    assert record["problems"] == ["p0 cannot be read (requests 1)"]
    assert ("taken to cost" in batch_plan._text(record)) is bool(taken)


def test_a_kind_of_which_nothing_can_be_made_is_named_whole(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_plan, "entries_of", lambda named: named)
    todo: Any = Todo(tmp_path, entries(tmp_path, 3, 8))
    monkeypatch.setattr(todo, "plan", lambda k: {"problem": "another shape"})
    record = batch_plan.counted(todo)
    assert record["problems"] == ["another shape (requests 1, 2, 3)"] and record["forward"] == 0
