"""Locality: a pixel whose map is 0 keeps its bytes, in the file that is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from scumble.errors import InputError
from scumble.images import distance_to, load_image, load_map, paste, save_image

SIZES = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)), st.sampled_from([(1, 1), (3000, 7), (1, 300), (97, 65)])
)
MAPS = st.sampled_from(["noise", "half", "zeros", "ones", "sparse", "faint"])


def _map(kind: str, shape: tuple[int, int], random: np.random.Generator) -> np.ndarray[Any, Any]:
    noise = random.random(shape, np.float32)
    made = {
        "noise": np.where(noise < 0.5, 0, noise),
        "half": np.arange(shape[1])[None].repeat(shape[0], 0) >= shape[1] // 2,
        "zeros": noise * 0,
        "ones": noise * 0 + 1,
        "sparse": noise > 0.98,
        "faint": np.where(noise < 0.5, 0, 1e-6),
    }
    return made[kind].astype(np.float32)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIZES, MAPS, st.sampled_from(["RGB", "RGBA", "L", "LA", "P"]), st.integers(0, 9), st.integers(0, 2**31))
def test_unmasked_pixels_are_byte_identical(
    tmp_path: Path, size: tuple[int, int], kind: str, mode: str, feather: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    shape = size[::-1]
    before = Image.fromarray(random.integers(0, 256, (*shape, 4), np.uint8))
    before = before.convert("RGB").convert("P") if mode == "P" else before.convert(mode)
    before.save(tmp_path / "in.png")
    picture = load_image(tmp_path / "in.png")
    change, _ = load_map(_map(kind, shape, random), size)
    edited = torch.from_numpy(random.integers(0, 256, (3, *shape), np.uint8))
    save_image(picture.with_alpha(paste(edited, picture.rgb, change, feather)), tmp_path / "out.png")
    after = load_image(tmp_path / "out.png")
    kept = (change[0, 0] == 0).numpy()
    assert (np.asarray(after.rgb)[kept] == np.asarray(picture.rgb)[kept]).all()
    if picture.alpha is not None:
        assert after.alpha is not None and after.alpha.tobytes() == picture.alpha.tobytes()
    if feather == 0:
        assert (np.asarray(after.rgb)[~kept] == edited.permute(1, 2, 0).numpy()[~kept]).all()


def test_feather_rises_smoothly_inside_the_changed_region_only() -> None:
    source = Image.new("RGB", (40, 5), "black")
    change = torch.zeros(1, 1, 5, 40)
    change[..., 10:] = 0.2
    row = np.asarray(paste(torch.full((3, 5, 40), 255, dtype=torch.uint8), source, change, feather=8))[2, :, 0]
    assert (row[:10] == 0).all() and (row[18:] == 255).all()
    ramp = row[10:18].astype(int)
    assert ramp[0] > 0 and (np.diff(ramp) > 0).all() and ramp[-1] < 255


def test_feather_without_an_unchanged_region_changes_nothing() -> None:
    result = torch.randint(0, 256, (1, 3, 6, 6), dtype=torch.uint8)
    pasted = paste(result, Image.new("RGB", (6, 6)), torch.ones(6, 6), feather=4)
    assert (np.asarray(pasted) == result[0].permute(1, 2, 0).numpy()).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 14), st.integers(1, 14), st.integers(1, 6), st.integers(0, 2**31))
def test_distance_is_euclidean_up_to_its_reach(width: int, height: int, reach: int, seed: int) -> None:
    marked = np.random.default_rng(seed).random((height, width)) < 0.1
    points = np.argwhere(marked)
    everywhere = np.argwhere(np.ones_like(marked))
    best = np.full(len(everywhere), np.inf)
    if len(points):
        best = np.linalg.norm(everywhere[:, None] - points[None], axis=-1).min(1)
    expected = np.minimum(best, reach + 1).reshape(height, width)
    np.testing.assert_allclose(distance_to(marked, reach), expected)


def test_the_colour_profile_of_the_source_is_kept(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (4, 4)).save(tmp_path / "in.png", icc_profile=profile)
    picture = load_image(tmp_path / "in.png")
    for name in ("out.png", "out.jpg", "out.webp"):
        save_image(paste(Image.new("RGB", (4, 4), "red"), picture.rgb, torch.ones(4, 4)), tmp_path / name)
        assert Image.open(tmp_path / name).info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("result", "change", "feather", "says"),
    [
        (torch.zeros(3, 4, 5, dtype=torch.uint8), torch.zeros(4, 4), 0, "result 5x4"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(4, 5), 0, "map 5x4"),
        (torch.zeros(3, 4, 4), torch.zeros(4, 4), 0, "uint8"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(4, 4), -1, "feather"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    result: torch.Tensor, change: torch.Tensor, feather: int, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        paste(result, Image.new("RGB", (4, 4)), change, feather)
