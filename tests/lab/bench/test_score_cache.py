"""Scores that stay: as long as nothing that they depend on has changed, and no longer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from scumble.models.vision import VisionTower
from scumble_lab.bench import collect as collecting
from scumble_lab.bench import score_cache as scored
from scumble_lab.bench.collect import Row, collect
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.folder import Benchmark, make
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.run import Workshop, run

TRIVIAL = [EDITORS[name] for name in ("ideal", "identity", "noise")]


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    made = make(tmp_path / "b", ("recolour", "sky"), 1, size=32)
    run(made, TRIVIAL, Workshop())
    return made


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cases that are scored, in turn."""
    seen: list[str] = []
    own = collecting.score

    def counted(sample: Any, *given: Any) -> dict[str, float]:
        seen.append(sample.case.id)
        return own(sample, *given)

    monkeypatch.setattr(collecting, "score", counted)
    return seen


def told(rows: list[Row]) -> dict[tuple[str, str], dict[str, float | None]]:
    """The figures by editor and case, in a form that can be compared: NaN equals nothing."""
    return {
        (row.editor, row.case.id): {key: None if math.isnan(x) else x for key, x in row.figures.items()} for row in rows
    }


def test_what_was_scored_is_not_scored_again_and_the_figures_are_the_same(
    benchmark: Benchmark, calls: list[str]
) -> None:
    first = collect(benchmark, Judges())
    assert len(calls) == 6
    second = collect(benchmark, Judges())
    assert len(calls) == 6
    assert told(first.rows) == told(second.rows)
    assert any(value is None for figures in told(first.rows).values() for value in figures.values())


def test_another_picture_is_scored_anew_and_only_that(benchmark: Benchmark, calls: list[str]) -> None:
    before = told(collect(benchmark, Judges()).rows)
    del calls[:]
    Image.new("RGB", (32, 32), (9, 8, 7)).save(benchmark.results / "identity" / "sky-000.png")
    after = told(collect(benchmark, Judges()).rows)
    assert calls == ["sky-000"]
    assert {key for key in after if after[key] != before[key]} == {("identity", "sky-000")}


def test_another_case_other_switches_and_other_metrics_are_scored_anew(
    benchmark: Benchmark, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(benchmark, Judges())
    del calls[:]
    collect(benchmark, Judges(), jpeg_compat=True)
    assert len(calls) == 6
    collect(benchmark, Judges())
    del calls[:]
    Image.new("RGB", (32, 32), (50, 60, 70)).save(benchmark.folder / "cases" / "sky-000" / "target.png")
    collect(benchmark, Judges())
    assert calls == ["sky-000"] * 3
    del calls[:]
    monkeypatch.setattr(scored, "_code", lambda: "another version")
    collect(benchmark, Judges())
    assert len(calls) == 6


def tower(seed: int) -> VisionTower:
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(seed)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    return VisionTower(ViTModel(ViTConfig(**sizes, image_size=16, patch_size=8)))


def test_other_weights_are_another_judge(benchmark: Benchmark, calls: list[str]) -> None:
    collect(benchmark, Judges(vision=tower(0)))
    collect(benchmark, Judges(vision=tower(0)))
    assert len(calls) == 6
    changed = tower(0)
    with torch.no_grad():
        next(changed.network.parameters()).view(-1)[0] += 1
    collect(benchmark, Judges(vision=changed))
    assert len(calls) == 12
    prints = [
        Judges().fingerprint,
        Judges(vision=tower(0)).fingerprint,
        Judges(vision=tower(0), pie_compat=True).fingerprint,
        Judges(lpips=("alex", lambda one, two: 0.0)).fingerprint,
        Judges(lpips=("vgg", lambda one, two: 0.0)).fingerprint,
    ]
    assert len(set(prints)) == len(prints)


def test_damaged_scores_or_a_folder_that_cannot_be_written_cost_time_only(
    benchmark: Benchmark, calls: list[str]
) -> None:
    collect(benchmark, Judges())
    for path in (benchmark.folder / "scores").iterdir():
        path.write_text("{")
    collect(benchmark, Judges())
    assert len(calls) == 12
    for path in (benchmark.folder / "scores").iterdir():
        path.unlink()
    (benchmark.folder / "scores").rmdir()
    (benchmark.folder / "scores").write_text("in the way")
    assert len(collect(benchmark, Judges()).rows) == 6
