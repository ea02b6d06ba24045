"""Every method has a page with the same parts and a picture; pages for who works inside stay short."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scumble.methods.registry import method_names

DOCS = Path(__file__).parents[2] / "docs"
PARTS = ["When to use it", "When to use something else", "What differs from the published code"]
INSIDE = ("the-loop", "add-a-method", "add-an-energy", "add-a-model-family")
MOST_BYTES = 1_500_000


@pytest.mark.parametrize("name", method_names())
def test_a_methods_page_says_what_when_and_how_it_differs(name: str) -> None:
    page = (DOCS / "method" / f"{name}.md").read_text(encoding="utf-8")
    title, first, _ = page.split("\n\n", 2)
    assert title == f"# {name}"
    assert len(re.findall(r"[.:;!?](?: |$)", first)) >= 2 and len(first) <= 420, first
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == PARTS
    assert "```bash\n" in page


def test_pages_and_methods_are_the_same() -> None:
    assert {page.stem for page in (DOCS / "method").glob("*.md")} == set(method_names())


def test_every_method_has_its_picture_and_its_cost() -> None:
    made = {path.stem for path in (DOCS / "pictures").glob("*.jpg")}
    assert made == set(method_names())
    assert set(json.loads((DOCS / "pictures" / "costs.json").read_text())) >= made
    assert sum(path.stat().st_size for path in (DOCS / "pictures").iterdir()) <= MOST_BYTES


@pytest.mark.parametrize("name", INSIDE)
def test_a_page_for_who_works_inside_is_at_most_sixty_lines(name: str) -> None:
    assert len((DOCS / f"{name}.md").read_text(encoding="utf-8").splitlines()) <= 60
