"""Ranking: every candidate by itself, best first, nothing outside the mask counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import scumble.editing.redo as replay
from scumble.editing.contact_sheet import contact_sheet, sheet_of
from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from scumble.methods.inpainting.ranking import best_first, bounding_square, candidate_distances
from tests.support.blended import box, random_clip, tiny_clip


def pictures(count: int = 4) -> list[Image.Image]:
    values = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return [Image.fromarray(value) for value in values]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: Any) -> str:
    path = tmp_path_factory.mktemp("clip")
    tiny_clip(path)
    return str(path)


@pytest.mark.parametrize("by", ["context", "mask", "crop", "picture", "official"])
def test_a_permutation_of_the_candidates_permutes_their_distances(by: Any) -> None:
    found = candidate_distances(pictures(), box(), "x", random_clip(), by)
    turned = candidate_distances(pictures()[::-1], box(), "x", random_clip(), by)
    assert found == turned[::-1]
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    ("by", "matters"), [("context", False), ("mask", False), ("official", False), ("picture", True), ("crop", True)]
)
def test_what_is_outside_the_mask(by: Any, matters: bool) -> None:
    other = np.asarray(pictures()[0]).copy()
    other[box()[0, 0].numpy() == 0] = 7
    one, two = candidate_distances(
        [pictures()[0], Image.fromarray(other)], box(), "x", random_clip(), by, pictures()[1]
    )
    assert (one != two) is matters


def test_each_candidate_may_have_its_own_mask() -> None:
    masks = torch.cat([box(), box(32, 0, 10, 0, 32)])
    together = candidate_distances(pictures(2), masks, "x", random_clip())
    alone = [candidate_distances([p], m[None], "x", random_clip())[0] for p, m in zip(pictures(2), masks, strict=True)]
    assert together == alone


def test_the_square_holds_the_region_with_context_and_stays_inside() -> None:
    top, left, side = bounding_square(box(32, 10, 14, 0, 8) > 0)
    assert (top, left, side) == (6, 0, 12)
    assert bounding_square(box(32, 0, 32, 5, 6) > 0) == (0, 0, 32)


def test_best_comes_first_and_equals_keep_their_order() -> None:
    assert best_first([0.3, 0.1, 0.3, 0.2]) == [1, 3, 0, 2]
    assert best_first([0.3, 0.1, 0.3, 0.2], keep=2) == [1, 3]


def test_ranking_happens_once_over_all_batches_and_is_recorded(
    tiny_editor: Editor, picture: Image.Image, clip_folder: str
) -> None:
    common: dict[str, Any] = {"prompt": "a house", "change_map": box(64, 8, 56, 8, 56)[0, 0].numpy()}
    method = BlendedLatentDiffusion(num_inference_steps=2, keep=2, clip=clip_folder, **common)
    plain = tiny_editor.edit(
        picture, BlendedLatentDiffusion(num_inference_steps=2, rank=False, **common), seed=7, count=5
    )
    results = [tiny_editor.edit(picture, method, seed=7, count=5, batch_size=size) for size in (2, 5)]
    for result in results:
        assert len(result.images) == 2
        distances = [report["clip_distance"] for report in result.reports]
        assert distances == sorted(distances)
        assert [report["rank"] for report in result.reports] == [1, 2]
        for k, image in enumerate(result.images):
            made = result.recipe_of(k).index
            gap = np.asarray(image, np.int16) - np.asarray(plain.images[made], np.int16)
            assert np.abs(gap).max() <= 1
            assert result.recipe_of(k).report["clip_distance"] == distances[k]
    assert [r["candidate"] for r in results[0].reports] == [r["candidate"] for r in results[1].reports]


def test_without_a_clip_candidates_keep_their_order_and_it_is_said(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Any
) -> None:
    method = BlendedLatentDiffusion(prompt="a house", num_inference_steps=1, clip=str(tmp_path / "none"))
    result = tiny_editor.edit(picture, method, seed=1, count=2)
    assert len(result.images) == 2
    assert any("not ranked" in notice for notice in result.notices)


def test_keep_without_words_gives_the_first(tiny_editor: Editor, picture: Image.Image) -> None:
    result = tiny_editor.edit(picture, BlendedLatentDiffusion(num_inference_steps=1, keep=1), seed=1, count=3)
    assert [report["candidate"] for report in result.reports] == [0]


def test_a_contact_sheet_has_room_for_all(tiny_editor: Editor, picture: Image.Image) -> None:
    sheet = contact_sheet(pictures(5), [f"picture {k}" for k in range(5)], columns=3, side=40)
    assert sheet.size == (3 * 48 + 8, 2 * 64 + 8)
    assert np.asarray(sheet)[8:48, 8:48].std() > 10
    result = tiny_editor.edit(picture, SDEdit(num_inference_steps=1), seed=1, count=2)
    assert sheet_of(result, columns=3, side=64).size == (3 * 72 + 8, 96)


def test_sheet_refusals() -> None:
    with pytest.raises(InputError, match="at least one"):
        contact_sheet([])
    with pytest.raises(InputError, match="labels"):
        contact_sheet(pictures(2), ["one"])


def test_a_ranked_candidate_with_an_inverted_mask_is_made_again_to_the_byte(
    tiny_editor: Editor, picture: Image.Image, clip_folder: str, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(replay.Editor, "from_pretrained", lambda *a, **k: tiny_editor)
    monkeypatch.chdir(Path(clip_folder).parent)
    picture.save(tmp_path / "in.png")
    soft = Image.fromarray((box(64, 8, 56, 8, 40)[0, 0].numpy() * 200).astype(np.uint8))
    soft.save(tmp_path / "mask.png")
    method = BlendedLatentDiffusion(
        prompt="a house",
        change_map=tmp_path / "mask.png",
        invert_mask=True,
        num_inference_steps=2,
        keep=2,
        clip=clip_folder,
    )
    tiny_editor.edit(tmp_path / "in.png", method, seed=7, count=4).save(tmp_path / "out.png")
    for k in range(2):
        done = replay.redo(tmp_path / f"out-{k}.png", editor=tiny_editor, allow_fetch=True)
        assert (done.largest, done.warnings) == (0, [])
