"""Verdicts on claims have files of their own, which no other experiment's run loses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scumble.cli import main
from scumble.errors import InputError
from scumble_lab.bench.claims import CLAIMS
from scumble_lab.bench.claims.base import Finding
from scumble_lab.bench.report.claims_page import DATA, PAGE, read_claims, write_claims
from scumble_lab.bench.verdicts import Curves, Verdict

FAN = Curves(title="Strength against change", x="strength", y="change", curves={"a": ([0, 1], [0, 1])})


def found(name: str, reason: str = "r", plot: Curves | None = None) -> Verdict:
    return Verdict(name=name, statement="S.", paper="P", verdict="holds", reason=reason, plot=plot)


def test_verdicts_that_were_there_stay_and_newer_ones_take_their_place(tmp_path: Path) -> None:
    write_claims(tmp_path, [found("ranking", "once"), found("reconstruction", "kept")])
    write_claims(tmp_path, [found("ranking", "new")])
    assert [(v.name, v.reason) for v in read_claims(tmp_path)] == [("reconstruction", "kept"), ("ranking", "new")]
    page = (tmp_path / PAGE).read_text()
    assert "| reconstruction | S. (P) | holds | kept |" in page and "| new |" in page and "once" not in page


def test_experiments_that_were_not_made_are_named(tmp_path: Path) -> None:
    write_claims(tmp_path, [found("ranking")])
    page = (tmp_path / PAGE).read_text()
    assert f"1 of {len(CLAIMS)} experiments were made." in page
    (missing,) = re.findall(r"Not made: (.*)\.", page)
    assert missing.split(", ") == [name for name in CLAIMS if name != "ranking"]


def test_a_plot_that_was_drawn_before_is_still_shown(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_claims(tmp_path, [found("strength-fan", plot=FAN)])
    write_claims(tmp_path, [found("ranking")])
    assert "(pictures/strength-fan.svg)\n\nStrength against change (strength-fan)." in (tmp_path / PAGE).read_text()
    assert (tmp_path / "pictures" / "strength-fan.svg").read_text().count("<svg") == 1


def test_where_nothing_was_found_nothing_is_written(tmp_path: Path) -> None:
    assert write_claims(tmp_path, []) == []
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / DATA).write_text("[{]")
    with pytest.raises(InputError, match=r"claims\.json holds no verdicts"):
        write_claims(tmp_path, [found("ranking")])
    assert (tmp_path / DATA).read_text() == "[{]"


def test_an_experiment_updates_the_page_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    claim = replace(CLAIMS["ranking"], experiment=lambda bench: Finding("undecided", "measured here"))
    monkeypatch.setitem(CLAIMS, "ranking", claim)
    write_claims(tmp_path, [found("reconstruction")])
    main(["bench", "claims", str(tmp_path / "b"), "--names", "ranking", "--output", str(tmp_path)])
    assert [(v.name, v.verdict) for v in read_claims(tmp_path)] == [
        ("reconstruction", "holds"),
        ("ranking", "undecided"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [DATA, PAGE]
