"""The studio's memory: drafts with versions, results with stars, pictures by either hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from scumble.studio.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "ledger.sqlite")


def test_a_draft_on_top_of_an_old_one_is_refused_unless_forced(store: Store) -> None:
    assert store.keep_draft({"seed": 1}, 0, False) == 1
    assert store.keep_draft({"seed": 2}, 0, False) is None
    assert store.keep_draft({"seed": 3}, 0, True) == 2
    assert store.draft() == {"seed": 3, "version": 2}


def test_results_keep_their_star_and_leave_with_the_trash(store: Store) -> None:
    store.keep_result("r1-0", 1, {"file": "a.png"})
    store.star("r1-0", True)
    again = store.keep_result("r1-0", 1, {"file": "a.png", "seed": 4})
    assert again["star"] and again["seed"] == 4
    assert store.files() == {"a.png": "r1-0"}
    store.trash("r1-0")
    assert store.result("r1-0") is None and store.results() == [] and store.files() == {}


def test_a_picture_is_found_by_its_bytes_and_by_its_pixels(store: Store) -> None:
    store.keep_picture("b" * 64, "x.png", (4, 3), False)
    assert store.picture_by_pixels("p" * 64) is None
    store.keep_pixels("b" * 64, "p" * 64)
    one = store.picture_by_pixels("p" * 64)
    assert one == store.picture("b" * 64)
    assert one is not None and one["name"] == "x.png" and one["alpha"] is False


def test_the_draft_of_the_tab_that_asked_names_its_edit_and_no_other_tab_is_overtaken(store: Store) -> None:
    store.keep_draft({"tab": "one", "edit": None}, 0, False)
    store.draft_makes("other", "two")
    assert store.draft() == {"tab": "one", "edit": None, "version": 1}
    store.draft_makes("mine", "one")
    assert store.draft() == {"tab": "one", "edit": "mine", "version": 1}
