"""A report's scores are enough for the experiments that read results."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from scumble.errors import InputError
from scumble_lab.bench.claims import check
from scumble_lab.bench.collect import collect, csv_text
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.folder import Benchmark, make
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.models_in_use import Workshop
from scumble_lab.bench.run import run
from scumble_lab.bench.scores_file import read_scores

TRIVIAL = [EDITORS[name] for name in ("ideal", "identity", "noise")]


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    return make(tmp_path / "b", ("recolour", "floor"), 2, size=32)


def test_scores_read_back_are_those_that_were_written(benchmark: Benchmark, tmp_path: Path) -> None:
    run(benchmark, TRIVIAL, Workshop())
    (benchmark.results / "noise" / "floor-001.png").write_bytes(b"none")
    collected = collect(benchmark, Judges())
    (tmp_path / "scores.csv").write_text(csv_text(collected))
    back = read_scores(tmp_path / "scores.csv", benchmark)
    assert csv_text(back) == csv_text(collected)
    assert back.editors == collected.editors and sum(row.error is not None for row in back.rows) == 1


def scores(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    lines = ["editor,task,case,seam,error", *(f"{editor},add,{case},{seam}," for editor, case, seam in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_experiment_on_results_needs_their_scores_alone(tmp_path: Path) -> None:
    cases = make(tmp_path / "b", ("add",), 3, size=32).cases
    rows = [("paste-at-end", case.id, f"4.{k}") for k, case in enumerate(cases)]
    rows += [("blended-latent-diffusion", case.id, f"2.{k}") for k, case in enumerate(cases)]
    rows += [("ideal", cases[0].id, ""), ("ideal", "of-another-benchmark", "1.0")]
    file = scores(tmp_path / "scores.csv", rows)
    (verdict,) = check(tmp_path / "b", "blending-hides-seams", 2, Workshop(), scores=file)
    assert verdict.verdict == "holds" and verdict.figures["seam"] == pytest.approx(2)
    (bare,) = check(tmp_path / "b", "blending-hides-seams", 2, Workshop())
    assert bare.verdict == "cannot be checked here"


def test_a_figure_that_is_not_there_is_no_number(benchmark: Benchmark, tmp_path: Path) -> None:
    file = scores(tmp_path / "scores.csv", [("noise", benchmark.cases[0].id, "")])
    assert math.isnan(read_scores(file, benchmark).rows[0].figures["seam"])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "editor,task,case,seam,error\nnoise,floor,floor-000,often,\n"])
def test_what_is_no_file_of_scores_is_refused_by_name(benchmark: Benchmark, tmp_path: Path, text: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"scores\.csv"):
        read_scores(path, benchmark)
    with pytest.raises(InputError, match=r"none\.csv"):
        read_scores(tmp_path / "none.csv", benchmark)
