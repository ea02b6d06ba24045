"""`scumble bench` as a person meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scumble.cli import main


def test_make_run_and_report_leave_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    folder = str(tmp_path / "b")
    main(["bench", "make", folder, "--tasks", "floor,recolour", "--count", "1", "--size", "32"])
    assert "2 cases of 2 tasks" in capsys.readouterr().out
    main(["bench", "run", folder, "--methods", "trivial"])
    said = capsys.readouterr().out
    assert "6 results made, 0 were there, 0 failed" in said
    assert "Its 6 results took" in said and "the run, with 1 job, took" in said
    main(["bench", "run", folder, "--methods", "trivial"])
    assert "0 results made, 6 were there" in capsys.readouterr().out
    (tmp_path / "b" / "results" / "noise" / "floor-000.png").unlink()
    capsys.readouterr()
    main(["bench", "report", folder])
    assert "1 result cannot be scored; the first is noise, floor-000" in capsys.readouterr().err
    assert (tmp_path / "b" / "report.html").is_file()
    assert "the run, with 1 job, took" in (tmp_path / "b" / "report.md").read_text()


def test_judges_that_a_person_asks_for_and_has_not_are_named_and_the_report_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    folder = str(tmp_path / "b")
    main(["bench", "make", folder, "--tasks", "floor", "--count", "1", "--size", "32"])
    main(["bench", "run", folder, "--methods", "trivial"])
    given = ["--lpips", "alx", "--vit", str(tmp_path), "--dift", str(tmp_path / "none"), "--pie-compat"]
    main(["bench", "report", folder, *given])
    told = capsys.readouterr().err, (tmp_path / "b" / "report.md").read_text()
    for text in told:
        for said in ("LPIPS is left out: unknown network 'alx'", "structure is not judged", "points are not found"):
            assert said in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["make", "FOLDER", "--tasks", "recolor"], "did you mean recolour"),
        (["make", "FOLDER", "--count", "0"], "count must be at least 1"),
        (["report", "FOLDER"], "there is no benchmark folder"),
        (["run", "FOLDER", "--jobs", "0"], "at least 1"),
        (["run", "FOLDER", "--tasks", "floor", "--count", "1", "--methods", "sdedi"], "did you mean sdedit"),
        (["claims", "FOLDER", "--names", "rankin"], "did you mean ranking"),
        (["claims", "FOLDER", "--count", "1"], "at least 2"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["bench", *[word.replace("FOLDER", str(tmp_path / "none")) for word in words]])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_the_experiments_are_listed_without_being_run(capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", "claims", "--names", "list"])
    assert "map-reliability:" in capsys.readouterr().out
