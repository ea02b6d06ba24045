"""Metrics without weights: what must be exact on any pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scumble.models.vision import VisionTower
from scumble_lab.bench.metrics import adherence, geometry, pixels, reliability
from scumble_lab.bench.metrics.clip_choice import answers, chooses_first
from scumble_lab.bench.metrics.diversity import diversity
from scumble_lab.bench.metrics.seam import seam
from scumble_lab.bench.metrics.size import width_of
from scumble_lab.bench.metrics.structure import structure, structure_distance
from scumble_lab.bench.tasks import draw


def pictures(count: int = 2, size: int = 32) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    return list(torch.rand(count, 3, size, size, generator=draw, dtype=torch.float64))


def half(size: int = 32) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[:, : size // 2] = True
    return mask


def test_a_picture_is_perfectly_like_itself() -> None:
    one, _ = pictures()
    assert pixels.mse(one, one) == 0
    assert pixels.psnr(one, one) == pixels.PSNR_LIMIT
    assert pixels.ssim(one, one) == pytest.approx(1)


def test_pixel_metrics_are_symmetric_and_masked_ones_see_the_mask_only() -> None:
    one, two = pictures()
    mask = half()
    for measure in (pixels.mse, pixels.psnr, pixels.ssim):
        assert measure(one, two, mask) == pytest.approx(measure(two, one, mask))
    mixed = torch.where(torch.from_numpy(mask), one, two)
    assert pixels.mse(mixed, one, mask) == 0
    assert pixels.mse(mixed, one, ~mask) == pytest.approx(pixels.mse(two, one, ~mask))
    assert pixels.mse(one, two, np.ones_like(mask)) == pytest.approx(pixels.mse(one, two))


def test_an_empty_mask_gives_no_number() -> None:
    one, two = pictures()
    nothing = np.zeros((32, 32), bool)
    assert all(math.isnan(measure(one, two, nothing)) for measure in (pixels.mse, pixels.psnr, pixels.ssim))
    assert all(math.isnan(x) for x in pixels.masked_as_published(one, two, nothing).values())


def test_published_background_figures_shrink_with_the_mask_and_meet_the_plain_ones_without_one() -> None:
    one, two = pictures()
    mask = half()
    shown = pixels.masked_as_published(one, two, mask)
    assert shown["mse"] == pytest.approx(0.5 * pixels.mse(one, two, mask))
    everything = pixels.masked_as_published(one, two, np.ones_like(mask))
    assert everything["mse"] == pytest.approx(pixels.mse(one, two))
    assert everything["ssim"] == pytest.approx(pixels.ssim(one, two))


def test_ssim_and_psnr_equal_torchmetrics() -> None:
    from torchmetrics.functional import image

    one, two = pictures(size=40)
    near = (0.8 * one + 0.2 * two).clamp(0, 1)
    theirs = image.structural_similarity_index_measure(near[None], one[None], data_range=1.0)
    assert pixels.ssim(near, one) == pytest.approx(float(theirs), abs=1e-5)
    theirs = image.peak_signal_noise_ratio(near[None], one[None], data_range=1.0)
    assert pixels.psnr(near, one) == pytest.approx(float(theirs), abs=1e-4)


def test_a_thing_is_found_where_it_was_put() -> None:
    back, look = pictures(size=40)
    true, mask = back.clone(), np.zeros((40, 40), bool)
    mask[10:18, 12:21] = True
    true[:, 10:18, 12:21] = look[:, :8, :9]
    assert geometry.find(true, true, mask) == geometry.middle(mask)
    for dx, dy in ((7, -4), (-9, 15)):
        moved = back.clone()
        moved[:, 10 + dy : 18 + dy, 12 + dx : 21 + dx] = look[:, :8, :9]
        x, y = geometry.middle(mask)
        assert geometry.find(moved, true, mask) == pytest.approx((x + dx, y + dy))


def test_a_thing_half_beyond_the_edge_is_found() -> None:
    back, look = pictures(size=40)
    true, mask = back.clone(), np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    true[:, 10:20, 10:20] = look[:, :10, :10]
    moved = back.clone()
    moved[:, 10:20, :6] = look[:, :10, 4:10]
    assert geometry.find(moved, true, mask) == pytest.approx((0.5, 14.5))


@pytest.mark.parametrize(("width", "dx", "dy"), [(1.0, 0, 0), (1.5, 3, -4), (0.5, -2, 2)])
def test_the_width_of_a_thing_is_measured_wherever_it_stands_nearby(width: float, dx: int, dy: int) -> None:
    back, look = pictures(size=64)

    def disc(x: float, y: float, radius: float) -> np.ndarray:
        rows, columns = np.mgrid[:64, :64]
        return np.hypot(columns - x, rows - y) <= radius

    mask, there = disc(32, 34, 10), disc(32 + dx, 34 + dy, 10 * width)
    true, seen = (torch.where(torch.from_numpy(m), look.mean(), back) for m in (mask, there))
    assert width_of(seen, true, mask, disc(32, 34, 15), back) == pytest.approx(width, rel=0.07)


def test_a_seam_shows_where_a_region_was_pasted_and_nowhere_else() -> None:
    ramp = torch.linspace(0, 0.5, 32, dtype=torch.float64).expand(3, 32, 32).clone()
    box = np.zeros((32, 32), bool)
    box[8:20, 8:20] = True
    assert seam(ramp, box) == pytest.approx(1, abs=0.15)
    pasted = ramp.clone()
    pasted[:, 8:20, 8:20] += 0.4
    assert seam(pasted, box) > 10
    assert math.isnan(seam(ramp, np.zeros((32, 32), bool)))
    assert math.isnan(seam(ramp, np.ones((32, 32), bool)))


def test_an_editor_that_changes_columns_in_proportion_is_perfectly_reliable() -> None:
    sources = pictures(3, 24)
    noise = pictures(6, 24)[3:]
    column = torch.arange(24, dtype=torch.float64) / 24
    flat = [torch.ones_like(n) * (-1.0) ** (torch.arange(24).reshape(1, -1, 1)) for n in noise]
    graded = [s + 0.3 * column * f for s, f in zip(sources, flat, strict=True)]
    free = [s + 0.3 * f for s, f in zip(sources, flat, strict=True)]
    score = reliability.reliability(reliability.trend(graded, sources), reliability.trend(free, sources))
    assert score > 0.999
    backwards = [s + 0.3 * (1 - column) * f for s, f in zip(sources, flat, strict=True)]
    assert reliability.reliability(reliability.trend(backwards, sources), reliability.trend(free, sources)) < -0.999


def test_adherence_is_perfect_for_a_line_of_the_map_and_least_squares_is_the_least() -> None:
    rng = np.random.default_rng(0)
    wanted, other = rng.random((9, 9)), rng.random((9, 9))
    assert adherence.pearson(wanted, 3 * wanted + 2) == pytest.approx(1)
    assert adherence.least_squares(wanted, 3 * wanted + 2) == pytest.approx(0, abs=1e-6)
    matrix = np.stack([other.ravel(), np.ones(81)], 1)
    best, *_ = np.linalg.lstsq(matrix, wanted.ravel(), rcond=None)
    assert adherence.least_squares(wanted, other) == pytest.approx(np.linalg.norm(matrix @ best - wanted.ravel()))
    assert math.isnan(adherence.pearson(wanted, np.ones((9, 9))))


def test_diversity_is_zero_for_copies_and_undefined_for_one() -> None:
    one, two = pictures()
    assert diversity([one, one, one]) == 0
    assert diversity([one, two]) > 0
    assert math.isnan(diversity([one]))


def test_structure_does_not_see_the_scale_of_keys_and_sees_other_pictures() -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModel, ViTConfig, ViTModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    frames = {"image_size": 16, "patch_size": 4}
    for vision in (CLIPVisionModel(CLIPVisionConfig(**sizes, **frames)), ViTModel(ViTConfig(**sizes, **frames))):
        tower = VisionTower(vision)
        x, y = torch.rand(2, 1, 3, 16, 16) * 2 - 1
        one, two = (structure(tower, given)[0] for given in (x, y))
        assert one.shape == (17, 17)
        assert structure_distance(one, one) == 0
        assert structure_distance(one, two) > 0
        keys = [m for n, m in vision.named_modules() if n.endswith(("k_proj", "key"))][-1]
        with torch.no_grad():
            keys.weight.mul_(4)
            keys.bias.mul_(4)
        assert structure_distance(structure(tower, x)[0], one) < 1e-10
        assert structure_distance(structure(tower, x, pie_compat=True)[0], one) > 1e-6
        assert not vision.get_submodule("")._forward_hooks and not keys._forward_hooks


@pytest.mark.parametrize("task", ["recolour", "reshape", "rematerial", "resize", "add", "floor", "sky"])
def test_the_judge_is_asked_about_all_that_could_be_there_and_never_twice_the_same(task: str) -> None:
    case = draw(task, 0).case
    said = answers(case)
    assert said[0] == case.prompt and case.source_prompt in said[1:]
    assert len(set(said)) == len(said) > {"resize": 1, "rematerial": 2, "sky": 3, "add": 39}.get(task, 4)


def test_a_removed_thing_is_there_or_not_and_a_moved_one_is_no_question() -> None:
    assert len(answers(draw("remove", 0).case)) == 2
    assert answers(draw("outpaint", 0).case) == ()


def test_the_choice_is_the_nearest_text() -> None:
    one, two = torch.eye(2)
    assert chooses_first(one, [one, two]) == 1
    assert chooses_first(two, [one, two]) == 0
    assert math.isnan(chooses_first(one, [one]))
