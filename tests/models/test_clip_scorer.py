"""CLIP as a judge: distances, sizes, loading, gradients."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import CLIPImageProcessor

from scumble.errors import CheckpointError
from scumble.images import to_image
from scumble.models.clip import ClipScorer, spherical_distance, to_square
from tests.support.blended import tiny_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("clip")
    tiny_clip(path)
    return path


@pytest.fixture(scope="module")
def scorer(folder: Path) -> ClipScorer:
    return ClipScorer.load(folder)


def pictures(side: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_distance_is_half_the_squared_angle() -> None:
    angles = torch.linspace(0, math.pi, 9, dtype=torch.float64)
    u = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(9, 2)
    v = torch.stack([angles.cos(), angles.sin()], dim=1)
    torch.testing.assert_close(spherical_distance(u, v), angles.square() / 2)
    assert bool((spherical_distance(u, v).diff() > 0).all())


def test_the_gradient_of_the_distance_is_finite_where_vectors_agree_or_oppose() -> None:
    for v in ([1.0, 0.0], [-1.0, 0.0]):
        u = torch.tensor([1.0, 0.0], requires_grad=True)
        spherical_distance(u, torch.tensor(v)).backward()
        assert u.grad is not None and bool(u.grad.isfinite().all())


def test_features_are_unit_vectors_and_differ(scorer: ClipScorer) -> None:
    image, text = scorer.image_features(pictures()), scorer.text_features(["a red cube", "a blue sphere"])
    for features in (image, text):
        torch.testing.assert_close(features.norm(dim=-1), torch.ones(2), atol=1e-5, rtol=0)
        assert float((features[0] - features[1]).abs().max()) > 1e-3


def test_features_are_those_of_the_models_own_preprocessing(scorer: ClipScorer, folder: Path) -> None:
    bytes_ = ((pictures() + 1) * 127.5).round() / 127.5 - 1
    processor = CLIPImageProcessor.from_pretrained(folder)
    pixels = processor(to_image(bytes_), return_tensors="pt")["pixel_values"]
    theirs = F.normalize(scorer.project(pixels), dim=-1)
    torch.testing.assert_close(scorer.image_features(bytes_), theirs, atol=1e-4, rtol=0)


def test_a_prompt_does_not_depend_on_its_neighbours_and_long_ones_are_cut(scorer: ClipScorer) -> None:
    alone = scorer.text_features(["a cube"])
    torch.testing.assert_close(scorer.text_features(["a cube", "a " * 300])[:1], alone, atol=1e-5, rtol=0)


def test_the_gradient_reaches_the_picture_and_not_the_weights(scorer: ClipScorer) -> None:
    leaf = pictures(48).requires_grad_(True)
    scorer.image_features(leaf).sum().backward()
    assert leaf.grad is not None and float(leaf.grad.abs().max()) > 0
    assert not any(p.requires_grad for p in scorer.model.parameters())


def test_squares_keep_the_aspect_and_the_mean() -> None:
    wide = torch.full((1, 3, 16, 32), 0.5)
    square = to_square(wide, 8)
    assert square.shape == (1, 3, 8, 8)
    assert float(square[..., 2:6, :].min()) == 0.5 and float(square[..., 0, :].abs().max()) == 0
    assert float(to_square(wide, 8, outside=-1.0)[..., 0, :].max()) == -1
    assert torch.equal(to_square(pictures(32), 32), pictures(32))
    torch.testing.assert_close(to_square(pictures(32), 8).mean(), pictures(32).mean())
    assert to_square(pictures(8), 32).shape[-1] == 32


def test_what_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no CLIP at 'nothing'"):
        ClipScorer.load(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="one of clip, clip-judge"):
        ClipScorer.load("klip")
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        ClipScorer.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="safetensors"):
        ClipScorer.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="could not be loaded"):
        ClipScorer.load(tmp_path)
