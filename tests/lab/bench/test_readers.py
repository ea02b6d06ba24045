"""Other people's benchmarks: what their folders say is what is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scumble.errors import InputError
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.readers import open_benchmark
from scumble_lab.bench.readers.pie_bench import jpeg, jpeg_strip_right
from scumble_lab.bench.readers.rle import decode_rle
from scumble_lab.bench.report import write_report
from scumble_lab.bench.run import Workshop, run
from scumble_lab.bench.score import score
from scumble_lab.bench.selection import editors_for


def pie(folder: Path) -> Path:
    (folder / "annotation_images" / "0_random").mkdir(parents=True)
    Image.new("RGB", (512, 512), (40, 90, 140)).save(folder / "annotation_images" / "0_random" / "1.png")
    entry = {
        "image_path": "0_random/1.png",
        "original_prompt": "a [red] cat",
        "editing_prompt": "a [blue] dog",
        "editing_instruction": "make it blue",
        "editing_type_id": "6",
        "blended_word": "cat dog",
        "mask": [512 * 100 + 100, 50, 512 * 101 + 100, 50],
    }
    gone = {**entry, "image_path": "0_random/2.png"}
    (folder / "mapping_file.json").write_text(json.dumps({"0001": entry, "0002": gone}))
    return folder


def test_pie_bench_is_read_as_published(tmp_path: Path) -> None:
    benchmark = open_benchmark(pie(tmp_path))
    assert len(benchmark.cases) == 1 and "0_random/2.png" in benchmark.notices[0]
    case = benchmark.cases[0]
    assert (case.source_prompt, case.prompt) == ("a red cat", "a blue dog")
    assert case.task == "change colour" and case.blend_words == ("cat", "dog")
    region = benchmark.sample("0001").region
    assert region is not None
    assert region[100, 100:150].all() and not region[100, 99] and not region[102, 110]
    assert region[0].all() and region[:, -1].all() and region.sum() == 100 + 4 * 511


def test_pie_bench_gets_its_published_figures(tmp_path: Path) -> None:
    benchmark = open_benchmark(pie(tmp_path))
    sample = benchmark.sample("0001")
    figures = score(sample, sample.source, Judges(), style="pie-bench")
    assert figures["background_mse"] == 0 and figures["background_ssim"] == pytest.approx(1)
    lossy = score(sample, jpeg(sample.source, 5), Judges(), style="pie-bench")
    assert lossy["background_mse_own"] >= lossy["background_mse"] >= 0
    names = {editor.name for editor in editors_for(benchmark.tasks)}
    assert "sdedit" in names and "warp-drag" not in names


def test_masks_that_are_none_are_found_at_opening_and_the_rest_is_read(tmp_path: Path) -> None:
    path = pie(tmp_path) / "mapping_file.json"
    entry = json.loads(path.read_text())["0001"]
    wrong = {"odd": [1, 2, 3], "far": [512 * 512, 1], "word": "1 2", "mapping": {"counts": "x"}, "text": ["a", 1]}
    path.write_text(json.dumps({"0001": entry, **{name: {**entry, "mask": mask} for name, mask in wrong.items()}}))
    benchmark = open_benchmark(tmp_path)
    assert [case.id for case in benchmark.cases] == ["0001"]
    assert benchmark.notices == (
        "5 entries left out for the mask, the first is odd: a run-length mask is a list of starts and lengths in turn,"
        " got 3 numbers",
    )
    path.write_text(json.dumps({"0001": {**entry, "mask": [-1, 4]}}))
    with pytest.raises(InputError, match=r"none of the 1 entries.*outside the picture"):
        open_benchmark(tmp_path)
    path.write_text(json.dumps({"0001": {key: value for key, value in entry.items() if key != "mask"}}))
    assert open_benchmark(tmp_path).sample("0001").region is None


@pytest.mark.parametrize("text", ["[]", "{}", '{"1": 3}', '{"1": {"image_path": "x"}}', "{"])
def test_mapping_files_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "mapping_file.json").write_text(text)
    with pytest.raises(InputError, match=r"mapping_file\.json"):
        open_benchmark(tmp_path)


def test_run_lengths_come_back_and_wrong_ones_are_refused() -> None:
    mask = np.random.default_rng(0).random((20, 30)) > 0.6
    runs = [value for place in np.flatnonzero(mask) for value in (int(place), 1)]
    assert np.array_equal(decode_rle(runs, 20, 30, border=False), mask)
    assert decode_rle([590, 100], 20, 30, border=False).sum() == 10
    for wrong in ([1, 2, 3], [-1, 4], [600, 1], [0.5, 2], ["1", 2], [True, 1], [float("nan"), 1]):
        with pytest.raises(InputError):
            decode_rle(wrong, 20, 30)


def test_the_edit_is_the_right_end_of_a_published_strip() -> None:
    strip = Image.new("RGB", (2048, 512))
    strip.paste((9, 8, 7), (1536, 0, 2048, 512))
    assert jpeg_strip_right(strip).getcolors() == [(512 * 512, (9, 8, 7))]
    with pytest.raises(InputError, match="100x512"):
        jpeg_strip_right(Image.new("RGB", (100, 512)))


def test_ti2i_lists_are_read_with_and_without_source_prompts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "data" / "cat.png")
    (tmp_path / "list.yaml").write_text(
        "- init_img: data/cat.png\n  source_prompt: a cat\n  target_prompts: [a dog, a cow]\n"
        "- init_img: /elsewhere/cat.png\n  target_prompts: [a fox]\n- init_img: gone.png\n  target_prompts: [x]\n"
    )
    benchmark = open_benchmark(tmp_path)
    assert [case.prompt for case in benchmark.cases] == ["a dog", "a cow"]
    assert benchmark.cases[0].source_prompt == "a cat"
    assert benchmark.sample(benchmark.cases[0].id).source.size == (64, 48)
    assert "2 listed pictures missing" in benchmark.notices[0]


def test_pictures_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "secret.png")
    inside = tmp_path / "b"
    inside.mkdir()
    (inside / "list.yaml").write_text("- init_img: ../secret.png\n  target_prompts: [x]\n")
    with pytest.raises(InputError, match="none of the 1 pictures"):
        open_benchmark(inside)


@pytest.mark.parametrize("text", ["a: 1", "- x", "- init_img: a.png", "[", ""])
def test_lists_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.yaml").write_text(text)
    with pytest.raises(InputError):
        open_benchmark(tmp_path)


def test_an_unknown_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mapping_file"):
        open_benchmark(tmp_path)
    with pytest.raises(InputError, match="scumble bench make"):
        open_benchmark(tmp_path / "none")


def test_a_pie_bench_folder_is_run_and_reported(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    benchmark = open_benchmark(pie(tmp_path))
    tally = run(benchmark, [EDITORS["identity"], EDITORS["noise"], EDITORS["ideal"]], Workshop())
    assert (tally.made, tally.failed) == (2, [])
    assert tally.notices == ["ideal returns the true result, which no case has: left out there"]
    write_report(benchmark, Judges(), tmp_path / "report", jpeg_compat=True)
    text = (tmp_path / "report" / "report.md").read_text()
    assert "background PSNR" in text and "| identity | 1 |" in text and "ideal" not in text
