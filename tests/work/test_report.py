"""The report: all results and all failures in both forms, reasons brought together, pictures side by side."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.editing.contact_sheet import PAPER, grouped_sheet
from scumble.errors import InputError
from scumble.work import report_sheets
from scumble.work.entry import Entry
from scumble.work.ledger import Ledger
from scumble.work.outcome import Outcome, OutputFile
from scumble.work.report import write_report

GOOD, BAD = 7, 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of results: seven pictures, one of three candidates, and four that are not there for two reasons."""
    out = tmp_path / "out"
    (tmp_path / "in").mkdir()
    Image.new("L", (64, 64), 255).save(tmp_path / "in" / "map.png")
    entries, outcomes = list[Entry](), list[dict[str, Any]]()
    for k in range(GOOD + BAD):
        name, image = f"shot {k}", tmp_path / "in" / f"Tässchen|{k}.png"
        Image.new("RGB", (64, 48), (20 * k, 90, 120)).save(image)
        body = {"method": "sdedit", "seed": k, "parameters": {"prompt": "a, b\nc"}, "labels": {"sku": f"S-{k}"},
                "image": {"path": str(image)}, "change_map": {"path": str(tmp_path / "in" / "map.png")}}  # fmt: skip
        count = 3 if k == 1 else 1
        entries.append(Entry(name, f"{k:064x}", body, f"{name}.png", count, source=k + 2))
        names = [f"{name}.png"] if count == 1 else [f"{name}-{i}.png" for i in range(count)]
        if k < GOOD:
            files = tuple(OutputFile(one, "ab" * 32, 10, 20) for one in names)
            outcomes.append({"kind": "done", "remark": "made", "files": files, "cost": {"seconds": 1.23456789}})
        elif k < GOOD + 3:
            outcomes.append({"kind": "raised", "error": f"the picture {image.name} cannot be read: {k} bytes <left>"})
        else:
            outcomes.append({"kind": "raised", "error": "another shape", "hint": "crop it"})
    with Ledger.open(out, "a test") as ledger:
        ledger.add(entries)
        worker = ledger.begin_worker("w", "cpu", {})
        for one in outcomes:
            claim = ledger.claim(worker)
            assert claim is not None
            for file in one.get("files", ()):
                Image.new("RGB", (64, 48), (200, 90, 20)).save(out / file.path)
            ledger.record([Outcome(claim.number, **one)], retries=0)
    return out


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def markdown_rows(text: str) -> list[list[str]]:
    """The cells of all tables in a page, without their headers."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [re.split(r" (?<!\\)\| ", line.removeprefix("| ").removesuffix(" |")) for line in lines]
    return [row for row in rows if row[0] not in ("id", "line", "requests")]


def test_results_and_failures_are_complete_in_both_forms(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "report"
    paths = write_report(folder, target)
    assert [path.name for path in paths] == [
        "report.md", "results.md", "results.csv", "failures.md", "failures.csv", "sheet-1.png"
    ]  # fmt: skip
    results, failures = table(target / "results.csv"), table(target / "failures.csv")
    assert len(results) == GOOD + BAD and [row["id"] for row in failures] == [f"shot {k}" for k in range(GOOD, 11)]
    first, bad = results[1], failures[0]
    assert first["files"].split("|") == ["shot 1-0.png", "shot 1-1.png", "shot 1-2.png"] and first["seconds"] == "1.235"
    assert (bad["line"], bad["label.sku"], bad["prompt"]) == ("9", "S-7", "a, b\nc")
    assert (target / bad["image"]).is_file() and (target / bad["map"]).is_file()
    pages = {name: markdown_rows((target / name).read_text()) for name in ("results.md", "failures.md")}
    assert [row[:2] for row in pages["results.md"]] == [[row["id"], row["state"]] for row in results]
    assert [row[:2] for row in pages["failures.md"]] == [[row["line"], row["id"]] for row in failures]
    for link in re.findall(r"\(<(.+?)>\)", (target / "results.md").read_text() + (target / "failures.md").read_text()):
        assert (target / link).is_file()
    assert "<left>" not in (target / "failures.md").read_text()


def test_reasons_that_differ_in_names_and_numbers_alone_are_one(folder: Path, tmp_path: Path) -> None:
    write_report(folder, tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert f"{GOOD + BAD} requests in 1 run: {GOOD} done, {BAD} failed." in page
    assert markdown_rows(page) == [
        ["3", "the picture … cannot be read: … bytes &lt;left>", "shot 7, shot 8, shot 9"],
        ["1", "another shape (crop it)", "shot 10"],
    ]


def test_plain_names_need_no_mark_and_others_are_read_as_utf8(tmp_path: Path) -> None:
    for name, mark in (("cup", b""), ("Tässchen", b"\xef\xbb\xbf")):
        with Ledger.open(tmp_path / name, "a test") as ledger:
            ledger.add([Entry(name, "0" * 64, {"method": "sdedit"}, f"{name}.png")])
        write_report(tmp_path / name, tmp_path / name)
        assert (tmp_path / name / "results.csv").read_bytes().startswith(mark + b"id,line,")
    assert "Nothing failed." in (tmp_path / "cup" / "failures.md").read_text()


def test_sheets_show_every_result_or_say_that_they_show_some(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles, drawn = list[str](), list[Any]()

    def sheet(groups: Any, title: str) -> Image.Image:
        drawn.append(groups)
        return grouped_sheet(groups, title=title, side=8)

    monkeypatch.setattr(report_sheets, "grouped_sheet", sheet)
    with Ledger.read(folder) as ledger:
        done = ledger.rows("done")
    monkeypatch.setattr(report_sheets, "ON_A_SHEET", 10)  # two requests of five pictures
    for everything, names in ((True, [f"shot {k}" for k in range(GOOD)]), (False, [f"shot {k}" for k in range(6)])):
        drawn.clear()
        titles = [title for _, title in report_sheets.write_sheets(folder, tmp_path, done, everything)]
        assert [label for groups in drawn for label, _ in groups] == names
        assert [len(images) for label, images in drawn[0]] == [3, 5]
    assert titles == ["out: 2 of 7 results, evenly chosen; before, map, after"] * 3


def test_a_group_stands_together_with_its_line_beneath(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (8, 4), (255, 0, 0)), Image.new("RGB", (4, 8), (0, 0, 255))
    pixels = np.asarray(grouped_sheet([("a", [red, red]), ("b", [blue])], title="t", side=8))
    is_red = (pixels == (255, 0, 0)).all(axis=2)
    is_blue = (pixels == (0, 0, 255)).all(axis=2)
    assert is_red.sum() == 2 * 8 * 4 and is_blue.sum() == 4 * 8
    columns = np.flatnonzero(is_red.any(axis=0))
    assert list(columns) == [*range(8, 16), *range(18, 26)]  # two pixels of paper between
    assert np.flatnonzero(is_blue.any(axis=0))[0] == 26 + 16  # twice the gap
    below = pixels[is_blue.any(axis=1).nonzero()[0].max() + 1 :]
    assert (below != PAPER).any(axis=(0, 2))[8:16].any()  # its line
    narrow = grouped_sheet([("a", [red, red]), ("b", [blue])], side=8, width=30)
    assert narrow.width < 44 and narrow.height > 2 * 8
    with pytest.raises(InputError, match="at least one"):
        grouped_sheet([("nothing", [])])
