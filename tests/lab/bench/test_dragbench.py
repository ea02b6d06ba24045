from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.errors import InputError
from scumble.models.loading import BUNDLED
from scumble_lab.bench.collect import collect
from scumble_lab.bench.dift import Dift
from scumble_lab.bench.dragbench import dragged_points, read_points, read_sample, sample_files
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.readers import open_benchmark
from scumble_lab.bench.report import write_report
from scumble_lab.bench.run import Workshop, run
from scumble_lab.bench.selection import editors_for
from scumble_lab.bench.tasks import draw

MASK = np.zeros((20, 30), np.uint8)
MASK[3:9, 4:20] = 255
META = {"prompt": "a cat", "points": [[3, 4], [10, 5], [7, 8], [1, 2]], "mask": MASK}


class Evil:
    def __reduce__(self) -> Any:
        return (eval, ("1/0",))


def noise(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (20, 30, 3)).astype(np.uint8))


def features(image: Image.Image, prompt: str) -> torch.Tensor:
    """Colours of a neighbourhood: different at every pixel of noise."""
    plain = torch.from_numpy(np.asarray(image).astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
    return torch.cat([plain.roll((a, b), (1, 2)) for a in (-1, 0, 1) for b in (-1, 0, 1)])


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    for name in ("animals/b", "animals/a", "art_work/c"):
        folder = tmp_path / "bench" / name
        folder.mkdir(parents=True)
        noise().save(folder / "original_image.png")
        (folder / "meta_data.pkl").write_bytes(pickle.dumps(META))
    return tmp_path / "bench"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_points_of_every_protocol_are_read(protocol: int) -> None:
    found = read_points(pickle.dumps(META, protocol))
    assert found["prompt"] == "a cat"
    assert np.array_equal(found["mask"], MASK)


@pytest.mark.parametrize("value", [Evil(), Path("/etc"), np.random.default_rng(0)])
def test_anything_that_names_code_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="refused"):
        read_points(pickle.dumps({**META, "prompt": value}))


def test_objects_hidden_in_an_array_are_refused() -> None:
    with pytest.raises(InputError, match="refused"):
        read_points(pickle.dumps({**META, "mask": np.array([Evil()], dtype=object)}))


@pytest.mark.parametrize("data", [b"", b"junk", pickle.dumps(META)[:-20], pickle.dumps([1]), pickle.dumps({"a": 1})])
def test_damaged_data_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        read_points(data)


def test_samples_come_sorted_with_their_pairs(bench: Path) -> None:
    found = [read_sample(file) for file in sample_files(bench)]
    assert [s.name for s in found] == ["animals/a", "animals/b", "art_work/c"]
    assert found[0].points == ((3, 4, 10, 5), (7, 8, 1, 2))
    assert found[0].mask.sum() == 6 * 16
    with pytest.raises(InputError, match="no DragBench"):
        sample_files(bench / "animals")


def test_a_shifted_picture_is_followed_exactly() -> None:
    source = noise(1)
    moved = Image.fromarray(np.roll(np.asarray(source), (2, 5), (0, 1)))
    assert dragged_points(source, moved, [(10, 9, 15, 11), (4, 6, 4, 6)], features) == [0.0, pytest.approx(29**0.5)]


def test_a_folder_is_a_benchmark_and_what_is_broken_is_named_and_left_out(bench: Path) -> None:
    (bench / "animals" / "b" / "original_image.png").unlink()
    (bench / "art_work" / "c" / "meta_data.pkl").write_bytes(pickle.dumps(Evil()))
    found = open_benchmark(bench)
    assert [case.id for case in found.cases] == ["animals--a"] and found.tasks == ("drag: animals",)
    assert found.cases[0].points == ((3, 4, 10, 5), (7, 8, 1, 2)) and found.cases[0].source_prompt == "a cat"
    assert "animals/b has no original_image.png" in found.notices[0] and "art_work/c" in found.notices[1]
    sample = found.sample("animals--a")
    assert sample.region is not None and np.array_equal(sample.region, MASK > 0)
    (bench / "animals" / "a" / "original_image.png").unlink()
    with pytest.raises(InputError, match="no sample of bench can be read"):
        open_benchmark(bench)


def test_those_who_drag_do_its_cases(bench: Path) -> None:
    able = {editor.name for editor in editors_for(open_benchmark(bench).tasks)}
    assert {"identity", "warp-drag", "drag-noise", "drag-diffusion"} <= able
    assert not {"sdedit", "blended-diffusion", "self-guidance"} & able


def test_its_results_have_its_figures(bench: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    found = open_benchmark(bench)
    tally = run(found, [EDITORS["identity"], EDITORS["noise"]], Workshop())
    assert (tally.made, tally.failed) == (6, [])

    class Colours(Dift):
        name = "colours"

        def __init__(self) -> None:
            pass

        def __call__(self, picture: Image.Image, prompt: str) -> torch.Tensor:
            return features(picture, prompt)

    judges = Judges(lpips=("alex", lambda one, two: float(one.tobytes() != two.tobytes())), dift=Colours())
    kept = collect(found, judges).values("identity", "dragged")
    way = (np.hypot(7, 1) + np.hypot(6, 6)) / 2
    assert kept == pytest.approx([way] * 3)
    assert collect(found, judges).values("identity", "fidelity") == [1, 1, 1]
    assert collect(found, judges).values("noise", "fidelity") == [0, 0, 0]
    write_report(found, judges, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "distance left" in text and "image fidelity" in text and "background LPIPS" in text


@pytest.mark.skipif("still-life" not in BUNDLED, reason="the bundled model is not there")
def test_a_diffusion_model_finds_what_was_moved() -> None:
    sample = draw("move", 0)
    assert sample.target is not None
    dift = Dift.load("still-life")
    (x0, y0, x1, y1), words = sample.case.points[0], sample.case.source_prompt
    stayed, arrived = (
        dragged_points(sample.source, made, sample.case.points, dift, words)[0]
        for made in (sample.source, sample.target)
    )
    way = float(np.hypot(x1 - x0, y1 - y0))
    assert stayed == pytest.approx(way, abs=1)
    assert arrived < way / 2
