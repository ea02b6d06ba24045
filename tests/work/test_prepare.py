"""What is given from Python becomes the same requests as a list does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scumble.errors import InputError
from scumble.records.file_ref import FileRef
from scumble.records.problems import ListError, Problem, write_problems
from scumble.records.request import Request
from scumble.records.view import View
from scumble.records.wishes import Wishes
from scumble.work.batch import Batch
from scumble.work.estimate import Remaining
from scumble.work.prepare import check, entries_of, gather


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png", "m.png"):
        Image.new("RGB", (16, 16), (10, 20, 30)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)


def nobody() -> Any:
    raise AssertionError("no worker is needed for this")


def checked(requests: Any, **wishes: Any) -> list[Request]:
    return [one.request for one in check(gather(requests), Wishes(**wishes), nobody, Path("out")).named]


def test_requests_survive_being_given_again() -> None:
    (first,) = checked([{"image": "a.png", "method": "diffuseit", "target_image": "b.png", "change_map": "m.png",
                         "tiles": True, "seed": 3, "id": "x"}])  # fmt: skip
    assert first.view == View(tiles=True) and first.files == {"target_image": FileRef(path="b.png")}
    assert checked([first]) == [first]
    assert checked([Request.model_validate_json(first.model_dump_json())]) == [first]


def test_paths_are_paths_and_nonsense_is_refused() -> None:
    (one,) = checked([{"image": Path("a.png"), "method": "sdedit", "change_map": 0.5}])
    assert one.image == FileRef(path="a.png") and one.change_map == 0.5
    with pytest.raises(InputError, match="a request cannot be made from int"):
        gather([7])
    with pytest.raises(ListError, match=r"requests:2: the id 'x' is that of line 1, too"):
        checked([{"image": "a.png", "method": "sdedit", "id": "x", "seed": k} for k in range(2)])


def test_files_of_entries_are_found_from_anywhere(tmp_path: Path) -> None:
    named = check(gather([{"image": "a.png", "method": "sdedit", "seed": 1}]), Wishes(), nobody, Path("out")).named
    (entry,) = entries_of(named)
    assert entry.body["image"]["path"] == str(tmp_path / "a.png")
    assert entry.line == named[0].request.line() and entry.output == f"{entry.id}.png"


def test_order_brings_together_what_a_worker_has_loaded() -> None:
    lines = [{"image": f"{name}.png", "method": "sdedit", "id": f"{k}", "num_inference_steps": 9 - k}
             for k, name in enumerate("abab")]  # fmt: skip
    named = check(gather(lines), Wishes(), nobody, Path("out")).named
    assert [one.id for one in entries_of(named, "affinity")] == ["0", "2", "1", "3"]
    assert [one.id for one in entries_of(named, "list")] == ["0", "1", "2", "3"]
    assert [one.id for one in entries_of(named, "short-first")] == ["3", "2", "1", "0"]
    assert sorted(one.id for one in entries_of(named, "shuffle")) == ["0", "1", "2", "3"]
    with pytest.raises(InputError, match="order must be one of"):
        entries_of(named, "random")


def test_set_stands_above_the_line_and_is_counted() -> None:
    lines = [{"image": "a.png", "method": "sdedit", "strength": value, "id": f"{value}"} for value in (0.3, 0.5)]
    result = check(gather(lines), Wishes(sets={"strength": 0.5}), nobody, Path("out"))
    assert [one.request.parameters["strength"] for one in result.named] == [0.5, 0.5]
    assert "--set overrode 1 of 2 lines" in result.notes


def test_lines_that_cannot_be_read_do_not_hide_what_is_wrong_with_the_rest(tmp_path: Path) -> None:
    lines = ['{"image": "no.png", "method": "sdedit", "prompt": "x"}', "{broken", '{"method": "sdeditt"}']
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    with pytest.raises(ListError) as raised:
        Batch(tmp_path / "list.jsonl", tmp_path / "out").check()
    assert [one.line for one in raised.value.problems] == [1, 2, 3]
    assert not (tmp_path / "out").exists()


def test_all_problems_of_a_long_list_are_in_a_file() -> None:
    path = write_problems([Problem("list.jsonl", k, f"problem {k}, with a comma") for k in range(30)])
    assert path.name == "list.jsonl.errors.csv" and len(path.read_text().splitlines()) == 31


def test_remaining_time_names_what_was_not_measured() -> None:
    assert str(Remaining(130, 131)) == "about 2 min"
    assert str(Remaining(30, 40, 2)) == "30 s to 40 s, and 2 requests of kinds that were not measured yet"
