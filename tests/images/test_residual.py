"""Detail comes back where the edit follows the picture, and nothing of the old content under a new one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from scumble.images import fit
from scumble.images.border import match_border
from scumble.images.residual import restored, surviving
from tests.images.drawn import photograph

Plane = npt.NDArray[np.float32]


def lossy(small: Plane) -> Plane:
    """A stand-in for an autoencoder: blurs, and shifts colors by content."""
    blurred = ndimage.gaussian_filter(small, (1.0, 1.0, 0))
    shift = 0.03 * np.sin(9 * ndimage.gaussian_filter(small, (3, 3, 0)))
    return np.clip(blurred + shift, 0, 1).astype(np.float32)


def shrunk(picture: npt.NDArray[np.uint8], side: int) -> Plane:
    window = fit(picture.shape[1], picture.shape[0], 1, side, "resize")
    tensor = torch.from_numpy(picture / 127.5 - 1).float().permute(2, 0, 1)[None]
    return ((window.apply(tensor)[0].permute(1, 2, 0) + 1) / 2).numpy()


def edited(picture: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], side: int, strength: float = 1.0) -> tuple:
    small = shrunk(picture, side)
    made, rebuilt = lossy(shrunk(truth, side)), lossy(small)
    kept = restored(surviving(made, rebuilt, small, strength), small, picture)
    plain = restored(surviving(made, made, made, 0.0), made, enlarged(made, picture.shape))
    return kept, plain


def enlarged(small: Plane, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    window = fit(shape[1], shape[0], 1, min(small.shape[:2]), "resize")
    grown = window.undo(torch.from_numpy(small).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    return np.rint(np.clip(grown, 0, 1) * 255).astype(np.uint8)


def psnr(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    error = ((one.astype(float) - other) ** 2).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.mark.parametrize("side", [64, 97, 256])
@pytest.mark.parametrize("strength", [0.01, 0.4, 1.0])
@pytest.mark.parametrize("mixing", [True, False])
def test_where_the_model_changed_nothing_the_picture_comes_back_byte_for_byte(
    side: int, strength: float, mixing: bool
) -> None:
    picture = photograph(341, 256)
    small = shrunk(picture, side)
    rebuilt = lossy(small)
    part = surviving(rebuilt.copy(), rebuilt, small, strength, mixing=mixing)
    assert np.array_equal(restored(part, small, picture), picture)


def test_a_tone_curve_keeps_the_texture() -> None:
    picture = photograph(512, 384)
    truth = np.rint(255 * (picture / 255.0) ** 1.5).astype(np.uint8)
    kept, plain = edited(picture, truth, 96)
    assert psnr(kept, truth) >= psnr(plain, truth) + 4


def test_a_recolored_texture_stays() -> None:
    picture = photograph(512, 384)[200:384, 100:400]
    truth = np.ascontiguousarray(picture[..., ::-1])
    kept, plain = edited(picture, truth, 48)

    def fine(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        grey = image.astype(float).mean(-1)
        return (grey - ndimage.gaussian_filter(grey, 3)).ravel()

    assert np.corrcoef(fine(kept), fine(truth))[0, 1] >= 0.8
    assert psnr(kept, truth) > psnr(plain, truth) + 2


def test_no_ghost_of_the_old_content_lies_under_a_new_one() -> None:
    picture = photograph(512, 384, seed=1)
    truth = np.ascontiguousarray(np.rot90(photograph(384, 512, seed=5)))
    kept, plain = edited(picture, truth, 96)
    grey = picture.astype(float).mean(-1)
    old = (grey - ndimage.gaussian_filter(grey, 4)).ravel()
    error = (kept.astype(float) - truth).mean(-1)
    ghost = float((error - ndimage.gaussian_filter(error, 4)).ravel() @ old / (old @ old))
    assert abs(ghost) <= 0.05
    assert psnr(kept, truth) >= psnr(plain, truth) - 1


def test_a_weak_edit_keeps_everything() -> None:
    picture = photograph(512, 384)
    small = shrunk(picture, 64)
    rebuilt = lossy(small)
    made = np.clip(rebuilt + np.random.default_rng(0).normal(0, 0.004, rebuilt.shape), 0, 1).astype(np.float32)
    kept = restored(surviving(made, rebuilt, small, 0.02), small, picture)
    assert psnr(kept, picture) >= 44


def test_what_was_filled_in_lends_no_detail() -> None:
    picture = photograph(256, 256)
    small = shrunk(picture, 64)
    rebuilt = lossy(small)
    everywhere = np.ones(small.shape[:2], bool)
    part = surviving(rebuilt, rebuilt, small, 0.5, fresh=everywhere)
    assert not part.gain.any() and np.array_equal(part.settled, rebuilt)


def test_constant_pictures_give_numbers() -> None:
    flat = np.full((32, 32, 3), 0.5, np.float32)
    other = np.full((32, 32, 3), 0.9, np.float32)
    for mixing in (True, False):
        part = surviving(other, flat, flat, 1.0, mixing=mixing)
        assert np.isfinite(part.gain).all() and np.isfinite(part.settled).all()
        assert np.abs(part.gain).max() < 0.05


def test_each_candidate_is_by_itself() -> None:
    small = shrunk(photograph(200, 150), 64)
    rebuilt = lossy(small)
    first = surviving(rebuilt * np.float32(0.8), rebuilt, small, 1.0)
    surviving(rebuilt[::-1].copy(), rebuilt, small, 1.0)
    again = surviving(rebuilt * np.float32(0.8), rebuilt, small, 1.0)
    assert np.array_equal(first.settled, again.settled) and np.array_equal(first.gain, again.gain)


def _disc(shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return np.asarray((x - shape[1] / 2) ** 2 + (y - shape[0] / 2) ** 2 < (min(shape) / 3) ** 2)


def test_border_matching_takes_out_an_error_of_tone_and_touches_nothing_outside() -> None:
    small = shrunk(photograph(512, 384), 256)
    inside = _disc(small.shape[:2])
    wrong = (small + inside[..., None] * np.float32(0.04)).astype(np.float32)
    matched, most = match_border(wrong, small, inside)
    assert np.array_equal(matched[~inside], wrong[~inside]) and 0.02 < most < 0.1
    before, after = np.abs(wrong - small)[inside].mean(), np.abs(matched - small)[inside].mean()
    assert 20 * np.log10(before / after) >= 6


def test_border_matching_leaves_a_thing_that_the_border_cuts() -> None:
    small = shrunk(photograph(256, 256), 128)
    inside = _disc(small.shape[:2])
    new = small.copy()
    new[40:90, 30:64] = [0.1, 0.9, 0.2]
    new = np.where(inside[..., None], new, small).astype(np.float32)
    matched, _ = match_border(new, small, inside)
    assert 10 * np.log10(1 / ((matched - new)[inside] ** 2).mean()) >= 30


def test_border_matching_without_a_border_does_nothing() -> None:
    small = shrunk(photograph(64, 64), 32)
    for inside in (np.ones((32, 32), bool), np.zeros((32, 32), bool)):
        assert np.array_equal(match_border(small * np.float32(0.5), small, inside)[0], small * np.float32(0.5))


def test_what_a_weak_edit_replaced_leaves_no_ring() -> None:
    picture = photograph(512, 384)
    truth = picture.copy()
    truth[80:200, 60:200] = 200  # the model put something plain there at a strength at which detail is kept
    small = shrunk(picture, 96)
    made, rebuilt = lossy(shrunk(truth, 96)), lossy(small)
    kept = restored(surviving(made, rebuilt, small, 0.3), small, picture)
    plain = restored(surviving(made, made, made, 0.0), made, enlarged(made, picture.shape))
    inside = (slice(100, 180), slice(80, 180))
    old = (picture[inside].astype(float) - ndimage.gaussian_filter(picture[inside].astype(float), (4, 4, 0))).ravel()
    back = (kept[inside].astype(float) - plain[inside]).ravel()
    assert abs(float(back @ old / (old @ old))) < 0.15
    assert psnr(kept[250:], picture[250:]) > 40
