"""The report's pictures: chosen by score, with words that can be read above, beside and beneath them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.collect import Collected, Row
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.report.drawing import SIZE, drawn, strip_picture
from scumble_lab.bench.report.grids import Grid, Line, Strip, abreast, extremes
from scumble_lab.bench.report.groups import compared

SIDE = 64
FIVE = tuple(Case(id=f"floor-{k}", task="floor", instruction=f"do {k}") for k in range(5))


def grey(value: int) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), (value, value, value))


@pytest.fixture
def found(tmp_path) -> Collected:
    """Five cases; sdedit does better from one to the next, plug-and-play lacks the third."""
    benchmark = Benchmark(tmp_path, "made up", FIVE, lambda case: Sample(case, grey(10), grey(20)))
    rows = []
    for k, case in enumerate(FIVE):
        for name, value in (("sdedit", 100 + k), ("plug-and-play", 200 + k)):
            if (name, k) != ("plug-and-play", 2):
                (benchmark.results / name).mkdir(parents=True, exist_ok=True)
                grey(value).save(benchmark.results / name / f"{case.id}.png")
                rows.append(Row(name, case, {"psnr_in": 2.0 * k}))
    return Collected(benchmark, rows, [], {})


def values(strip: Strip) -> list[int | None]:
    return [None if picture is None else picture.getpixel((0, 0))[0] for picture in strip.pictures]


def test_each_method_shows_its_best_median_and_worst_case(found: Collected) -> None:
    grid = extremes(found, "Words", "words", ["sdedit"])
    assert grid.heads[0] == ("best:\nsource", "true result", "result") and grid.heads[2][0] == "worst:\nsource"
    assert [values(strip) for strip in grid.lines[0].strips] == [[10, 20, 104], [10, 20, 102], [10, 20, 100]]
    assert grid.lines[0].strips[0].caption == "floor-4: do 4"


def test_abreast_is_the_middle_case_of_those_that_all_have_done(found: Collected) -> None:
    (group,) = compared(found)
    grid = abreast(found, group)
    assert grid is not None and grid.heads == (("source", "true result", "sdedit", "plug-and-play"),)
    (line,) = grid.lines
    assert (line.name, line.about) == ("floor-1", "do 1")
    assert values(line.strips[0]) == [10, 20, 101, 201]


def test_where_points_are_to_go_is_drawn_into_the_source_alone(tmp_path: Path) -> None:
    case = Case(id="move-0", task="move", points=((10, 20, 50, 20),))
    benchmark = Benchmark(tmp_path, "made up", (case,), lambda case: Sample(case, grey(10), grey(20)))
    (benchmark.results / "warp-drag").mkdir(parents=True)
    grey(30).save(benchmark.results / "warp-drag" / "move-0.png")
    found = Collected(benchmark, [Row("warp-drag", case, {"psnr_in": 1.0})], [], {})
    source, target, made = extremes(found, "Drags", "drag", ["warp-drag"]).lines[0].strips[0].pictures
    assert source is not None and [source.getpixel((x, 20)) for x in (10, 30, 46)] == [(255, 0, 0)] * 3
    assert source.getpixel((5, 20)) == source.getpixel((30, 30)) == (10, 10, 10)
    assert target is not None and made is not None
    assert target.getcolors() == [(SIDE * SIDE, (20, 20, 20))] and made.getcolors() == [(SIDE * SIDE, (30, 30, 30))]


def test_a_case_that_one_lacks_is_grey_there() -> None:
    shown = np.asarray(strip_picture(Strip((grey(0), None)), SIDE))
    assert shown[:, :SIDE].max() == 0 and set(shown[:, -SIDE:].ravel()) == {232}


def test_words_are_drawn_beside_above_and_beneath_and_none_is_cut_off() -> None:
    long = "local-clip-guided-diffusion"
    strip = Strip((grey(128), grey(128)), "recolour-003: make the small red striped sphere cyan at night")
    grid = Grid("t", "t", ((long, "source"),), (Line(long, "the same held by losses instead of blending", (strip,)),))
    page = drawn(grid)
    ink = np.asarray(page).min(axis=2) < 128
    assert ink.any(), "nothing is written"
    assert not (ink[:, :4].any() or ink[:, -4:].any() or ink[:2].any() or ink[-2:].any())
    bare = Grid("t", "t", (("", ""),), (Line("", "", (Strip(strip.pictures),)),))
    assert page.height > drawn(bare).height
    assert all(ImageFont.load_default(SIZE).getlength(word) <= SIDE for word in ("differential-", "diffusion"))


def test_pictures_of_another_shape_keep_it() -> None:
    shown = strip_picture(Strip((Image.new("RGB", (512, 256)),)), SIDE)
    assert shown.size == (SIDE, SIDE) and shown.getpixel((5, 5)) == (255, 255, 255)
    assert shown.getpixel((5, SIDE // 2)) == (0, 0, 0)
