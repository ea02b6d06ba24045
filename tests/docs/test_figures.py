"""Measured figures stand in one file each; pages have them by generated tables, and nowhere by hand."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.docs.pages import ROOT, pages

DOCS = ROOT / "docs"
WRITTEN = [*pages(), ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
MADE = ("bundled-models.md", "checkpoints.md")
"""Pages that commands write whole, from the models' records and from a test run."""
FIGURE = re.compile(
    r"\d[\d.,]*(?: ?(?:%|dB\b|ms\b|[kMGT]B\b|CPU s\b|seconds?\b|minutes?\b|GPU hours\b|points\b)| of \d[\d,]*"
    r"| times (?:as )?(?:fast|slow|long))"
)
DEFINED = {
    "evaluation.md": ("10 of 72", "100 %", "60 dB", "95 %"),
    "ray.md": ("0.3 GB", "4 GB"),
    "studio.md": ("0 of 245,208", "60 %"),
}
"""What is defined, assumed or an example, not measured: page to figures."""


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("tables")


def by_hand(page: Path) -> list[str]:
    """The figures of a page outside of generated tables, code and links."""
    text = re.sub(r"<!-- figures: .*?<!-- until here -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)", "", text, flags=re.DOTALL)
    return [figure[0] for figure in FIGURE.finditer(text)]


@pytest.mark.parametrize("page", [page for page in WRITTEN if page.name not in MADE], ids=lambda page: page.stem)
def test_no_measured_figure_stands_in_a_page_by_hand(page: Path) -> None:
    defined = DEFINED.get(page.name, ())
    assert sorted(set(by_hand(page))) == sorted(defined), (
        f"{page.name}: put measured figures into docs/figures-data; what is defined, into DEFINED"
    )


def test_pages_have_what_the_files_give(tables: ModuleType) -> None:
    assert not [page.name for page, _ in tables.stale()], "run make docs-tables"


def test_a_table_that_was_changed_by_hand_is_restored(tables: ModuleType) -> None:
    text = (DOCS / "ray.md").read_text(encoding="utf-8")
    changed = text.replace("| results a second | 0.58", "| results a second | 0.85")
    assert changed != text and tables.filled(changed) == text
    assert tables.filled("a <!-- figures: million -->\n<!-- until here --> b").count("results a second") == 1


def test_every_file_of_figures_stands_in_one_place(tables: ModuleType) -> None:
    used = [name for page in tables.pages() for _, name, _ in tables.BLOCK.findall(page.read_text(encoding="utf-8"))]
    assert sorted(used) == sorted(path.stem for path in tables.DATA.glob("*.json"))


@pytest.mark.parametrize("change", [{"date": ""}, {"rows": [["a"]]}, {"csv": "report/scores.csv"}], ids=str)
def test_a_file_that_states_too_little_is_refused(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    run = dict.fromkeys(tables.STATED, "x") | {"columns": ["a", "b"], "rows": [["c", "1"]]}
    drags = {"head": "m", "lines": "editor", "where": {"editor": ["nobody"]}, "figures": {"x": ["success", 1, 0]}}
    given = drags | {"about": "x"} | change if "csv" in change else run | change
    (tmp_path / "one.json").write_text(json.dumps(given))
    monkeypatch.setattr(tables, "DATA", tmp_path)
    with pytest.raises(SystemExit, match=r"needs date|needs about|no results of nobody"):
        tables.table("one")


def test_the_models_page_is_what_their_records_give(monkeypatch: pytest.MonkeyPatch) -> None:
    from scumble_lab.training import report
    from scumble_lab.training.publish import FOLDERS
    from scumble_lab.training.training_record import read_facts

    bundled = ROOT / "src" / "scumble" / "bundled"
    facts = {model: known for model, folder in FOLDERS.items() if (known := read_facts(bundled / folder))}
    monkeypatch.setattr(report, "rendering_speed", dict)
    written, _, _ = (DOCS / "bundled-models.md").read_text(encoding="utf-8").partition("Pictures per second")
    made, _, _ = report._page(bundled, facts).partition("Pictures per second")
    assert written == made
