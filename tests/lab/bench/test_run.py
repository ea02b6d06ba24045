"""Runs resume, record what fails, and lose nothing; reports are whole pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scumble.errors import InputError
from scumble_lab.bench import make_result as making
from scumble_lab.bench.bench_editor import BenchEditor
from scumble_lab.bench.claims import CLAIMS, check
from scumble_lab.bench.claims.base import Finding
from scumble_lab.bench.collect import collect
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.folder import Benchmark, make, open_folder
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.report import write_report
from scumble_lab.bench.run import Done, Workshop, run
from scumble_lab.bench.verdicts import Curves, Verdict, read_verdicts, save_verdict

TINY = Path(__file__).parents[2] / "reference" / "tiny-sd"
TRIVIAL = [EDITORS[name] for name in ("ideal", "identity", "noise")]


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    return make(tmp_path / "b", ("recolour", "floor"), 2, size=32)


def broken(sample: Any, seed: int) -> Image.Image:
    if sample.case.task == "floor":
        raise ValueError("no floor today")
    return sample.source


def test_a_second_run_finds_everything_done_and_lost_files_are_made_again(benchmark: Benchmark) -> None:
    first = run(benchmark, TRIVIAL, Workshop())
    assert (first.made, first.kept, first.failed) == (12, 0, [])
    (benchmark.results / "noise" / "floor-001.png").unlink()
    seen: list[Done] = []
    second = run(benchmark, TRIVIAL, Workshop(), on_result=lambda done, k, n: seen.append(done))
    assert (second.made, second.kept) == (1, 11)
    assert [(done.editor, done.case) for done in seen] == [("noise", "floor-001")]


def test_what_a_killed_process_left_half_written_goes_when_its_result_is_made(benchmark: Benchmark) -> None:
    folder = benchmark.results / "noise"
    folder.mkdir(parents=True)
    own, other = folder / ".floor-000.png.12ab34cd.tmp", folder / ".floor-0000.json.12ab34cd.tmp"
    own.touch()
    other.touch()
    run(benchmark, [EDITORS["noise"]], Workshop())
    assert not own.exists() and other.exists()


def test_commits_of_earlier_runs_stay_named_while_any_of_their_results_is_kept(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(commit: str, *names: str, seed: int = 0) -> list[str]:
        monkeypatch.setattr("scumble_lab.bench.run.machine", lambda *a: {"commit": commit, "models": {}})
        run(benchmark, [EDITORS[name] for name in names], Workshop(), seed=seed)
        about = json.loads((benchmark.results / "run.json").read_text())
        return [*about.get("commits", []), about["commit"]]

    assert at("one", "identity") == ["one"]
    assert at("two", "noise") == ["one", "two"]
    assert at("three", "noise", seed=1) == ["one", "two", "three"]
    assert at("four", "identity", "noise", seed=2) == ["four"]


def test_another_seed_is_another_result(benchmark: Benchmark) -> None:
    run(benchmark, TRIVIAL, Workshop(), seed=0)
    before = (benchmark.results / "noise" / "floor-000.png").read_bytes()
    again = run(benchmark, TRIVIAL, Workshop(), seed=1)
    assert again.made == 12
    assert (benchmark.results / "noise" / "floor-000.png").read_bytes() != before


def test_a_failing_case_is_recorded_and_the_rest_goes_on(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = BenchEditor("broken", "trivial", "fails on floors", trivial=broken)
    monkeypatch.setattr(making, "EDITORS", {**EDITORS, "broken": editor})
    tally = run(benchmark, [editor, EDITORS["ideal"]], Workshop())
    assert tally.made == 6 and len(tally.failed) == 2
    record = json.loads((benchmark.results / "broken" / "floor-000.json").read_text())
    assert record["error"] == "ValueError: no floor today" and "test_run.py" in record["where"]
    assert not (benchmark.results / "broken" / "floor-000.png").exists()
    found = collect(benchmark, Judges())
    assert len([row for row in found.rows if row.error]) == 2
    tally = run(benchmark, [editor, EDITORS["ideal"]], Workshop())
    assert (tally.made, tally.kept, len(tally.failed)) == (0, 6, 2)


def test_processes_make_what_one_process_makes(benchmark: Benchmark) -> None:
    run(benchmark, TRIVIAL, Workshop())
    one = {path.name: path.read_bytes() for path in (benchmark.results / "noise").glob("*.png")}
    run(benchmark, TRIVIAL, Workshop(), jobs=2, again=True)
    assert one == {path.name: path.read_bytes() for path in (benchmark.results / "noise").glob("*.png")}


def test_a_method_files_its_settings_and_its_cost(benchmark: Benchmark) -> None:
    tally = run(benchmark, [EDITORS["sdedit"]], Workshop(str(TINY)), count=1)
    assert (tally.made, len(tally.failed)) == (2, 0)
    record = json.loads((benchmark.results / "sdedit" / "floor-000.json").read_text())
    assert record["method"] == "sdedit" and record["parameters"]["strength"] == 0.75
    assert record["cost"]["forward_rows"] == 2 * 15
    assert str(TINY) not in json.dumps(record)


def test_one_case_of_every_task_for_every_editor_comes_before_the_second(benchmark: Benchmark) -> None:
    seen: list[tuple[str, str]] = []
    run(benchmark, TRIVIAL, Workshop(), on_result=lambda done, k, n: seen.append((done.case, done.editor)))
    names = [editor.name for editor in TRIVIAL]
    order = ("recolour-000", "floor-000", "recolour-001", "floor-001")
    assert seen == [(case, name) for case in order for name in names]


def test_a_result_is_kept_until_its_settings_change(benchmark: Benchmark) -> None:
    shop, editor = Workshop(str(TINY)), EDITORS["sdedit"]
    run(benchmark, [editor], shop, count=1)
    path = benchmark.results / "sdedit" / "floor-000.json"

    def after(change: Callable[[dict[str, Any]], object]) -> int:
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))
        return run(benchmark, [editor], shop, count=1).made

    assert after(lambda record: None) == 0
    assert after(lambda record: record["parameters"].pop("eta")) == 0  # a setting that came since, at rest
    assert after(lambda record: record["parameters"].update(strength=0.5)) == 1
    assert after(lambda record: record["parameters"].pop("strength")) == 1  # one that came since, and is used
    assert after(lambda record: record["parameters"].update(gone=1)) == 1
    assert after(lambda record: record.pop("parameters")) == 1


def test_a_result_is_kept_until_the_clip_that_guides_changes(benchmark: Benchmark) -> None:
    shop, guided, other = Workshop(str(TINY)), EDITORS["blended-latent-diffusion"], EDITORS["sdedit"]
    shop.guide = "one"
    assert run(benchmark, [guided, other], shop, count=1).made == 4
    path = benchmark.results / guided.name / "floor-000.json"
    record = json.loads(path.read_text())
    assert record["guide"] == "one" and set(record["mark"]) == {"editor", "weights", "seed"}
    assert run(benchmark, [guided, other], shop, count=1).made == 0
    del record["guide"]  # as filed before it was noted
    path.write_text(json.dumps(record))
    shop.guide = "two"
    tally = run(benchmark, [guided, other], shop, count=1)
    assert (tally.made, tally.kept) == (1, 3)


def test_a_model_that_is_missing_leaves_its_editors_out(benchmark: Benchmark, tmp_path: Path) -> None:
    tally = run(benchmark, [EDITORS["sdedit"], EDITORS["ideal"]], Workshop(str(tmp_path / "none")))
    assert tally.made == 4 and tally.notices and "sdedit was left out" in tally.notices[0]


def test_the_report_is_one_page_that_needs_no_other_file(benchmark: Benchmark, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    run(benchmark, [*TRIVIAL, EDITORS["sdedit"]], Workshop(str(TINY)))
    plot = Curves(title="Strength against change", x="strength", y="change", curves={"a": ([0, 1], [0, 1])})
    fan = Verdict(name="strength-fan", statement="S.", paper="P", verdict="holds", reason="r", plot=plot)
    save_verdict(benchmark.folder, fan)
    (benchmark.results / "noise" / "floor-000.png").unlink()
    others = benchmark.results / "somebody"
    others.mkdir()
    Image.new("RGB", (32, 32)).save(others / "floor-000.png")
    Image.new("RGB", (8, 8)).save(others / "floor-001.png")
    Image.new("RGB", (8, 8)).save(others / "what.png")
    paths = write_report(benchmark, Judges(), tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    for said in (
        "ideal",
        "somebody: 2 missing results",
        "1 file of no case left out: what.png",
        "8x8, the source is 32x32",
    ):
        assert said in page
    assert "nan" not in re.sub(r"base64,[^\"]+", "", page).lower().replace("finance", "")
    assert all(path.is_file() for path in paths)
    text = (tmp_path / "report" / "report.md").read_text()
    assert "| ideal |" in text
    claims = (tmp_path / "report" / "claims.md").read_text()
    assert "[claims.md](claims.md)" in text and "| strength-fan | S. (P) | holds | r |" in claims
    shown = set(re.findall(r"\]\((pictures/[^)]+)\)", text + claims))
    assert "Of 16 edits that these methods could make here 15 are there." in text
    assert {"pictures/strength-fan.svg", "pictures/words.webp"} <= shown
    assert shown == {f"pictures/{path.name}" for path in (tmp_path / "report" / "pictures").iterdir()}
    assert (tmp_path / "report" / "scores.csv").read_text().count("\n") == 19


def test_a_case_whose_own_pictures_do_not_fit_is_named_and_the_others_are_scored(benchmark: Benchmark) -> None:
    run(benchmark, TRIVIAL, Workshop())
    Image.new("RGB", (8, 8)).save(benchmark.folder / "cases" / "floor-000" / "target.png")
    (benchmark.results / "noise" / "floor-001.json").write_text('{"cost": {"seconds": "long", "forward_rows": []}}')
    found = collect(open_folder(benchmark.folder), Judges())
    assert found.notices == ["the case floor-000 was left out: cases/floor-000/target.png is 8x8, the source 32x32"]
    assert len(found.rows) == 9 and not any(row.error for row in found.rows)


@pytest.mark.parametrize("about", [{"cases": [3]}, {"cases": {}}, {"seed": None, "size": 3}])
def test_a_list_of_cases_that_is_none_is_refused(benchmark: Benchmark, about: dict[str, Any]) -> None:
    path = benchmark.folder / "benchmark.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps({"format": 1, **({} if "seed" in about else index), **about}))
    with pytest.raises(InputError, match="no benchmark of format 1"):
        open_folder(benchmark.folder)


def test_no_results_is_said_clearly(benchmark: Benchmark) -> None:
    with pytest.raises(InputError, match="scumble bench run"):
        collect(benchmark, Judges())
    run(benchmark, TRIVIAL, Workshop())
    with pytest.raises(InputError, match="identity"):
        collect(benchmark, Judges(), ["identiy"])


def test_verdicts_are_filed_kept_and_failures_told(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    calls = []

    def experiment(bench: Any) -> Finding:
        calls.append(bench.count)
        return Finding("holds", "because", {"x": float("nan")})

    def failing(bench: Any) -> Finding:
        raise ValueError("broken")

    monkeypatch.setitem(CLAIMS, "ranking", replace(CLAIMS["ranking"], experiment=experiment))
    monkeypatch.setitem(CLAIMS, "strength-fan", replace(CLAIMS["strength-fan"], experiment=failing))
    shop = Workshop(str(TINY))
    verdicts = list(check(benchmark.folder, "ranking,strength-fan", 2, shop))
    assert [v.verdict for v in verdicts] == ["holds", "cannot be checked here"]
    assert "ValueError: broken" in verdicts[1].reason
    list(check(benchmark.folder, "ranking", 2, shop))
    assert calls == [2]
    list(check(benchmark.folder, "ranking", 3, shop))
    assert calls == [2, 3]
    assert {v.name for v in read_verdicts(benchmark.folder)} == {"ranking", "strength-fan"}
    with pytest.raises(InputError, match="ranking"):
        list(check(benchmark.folder, "rankin", 2, shop))


def test_every_claim_has_an_experiment_that_can_be_imported() -> None:
    import importlib

    for claim in CLAIMS.values():
        module, name = (cell.cell_contents for cell in claim.experiment.__closure__ or ())
        assert callable(getattr(importlib.import_module(f"scumble_lab.bench.claims.{module}"), name))


def test_experiments_on_noise_and_strength_come_to_a_verdict_on_any_model(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scumble_lab.bench.claims import noise

    def fewer(*given: Any, **more: Any) -> Any:
        return own(*given, **more | {"num_inference_steps": 8})

    own = noise.analyse_noise
    monkeypatch.setattr(noise, "analyse_noise", fewer)
    monkeypatch.setattr("scumble_lab.bench.claims.maps.STEPS", 5)
    names = "edit-friendly-noise,strength-fan"
    verdicts = {v.name: v for v in check(benchmark.folder, names, 2, Workshop(str(TINY)))}
    assert all(verdict.verdict != "cannot be checked here" for verdict in verdicts.values()), verdicts
    assert verdicts["strength-fan"].reason.count("[") == 8  # an interval for each step of either method
    variance = verdicts["edit-friendly-noise"].figures
    assert variance["variance native"] == pytest.approx(1, abs=0.05)
