"""Colors of a latent without its decoder: near what it decodes to, fitted once, kept by the autoencoder's content."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from scumble.models.base import Model
from scumble.models.latent_colors import fit, latent_colors
from tests.support.blended import tiny_ddpm


@pytest.fixture
def model(tiny_sd: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("SCUMBLE_CACHE", str(tmp_path))
    return copy.deepcopy(tiny_sd)


def test_colors_are_nearer_to_the_decoded_picture_than_its_mean(model: Model) -> None:
    picture = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        latent = model.encode(F.interpolate(picture, (128, 128), mode="bicubic").clamp(-1, 1))
        wanted = F.avg_pool2d(model.decode(latent), model.factor)
    made = latent_colors(model, latent)
    assert made.shape == wanted.shape
    mean = wanted.mean((2, 3), keepdim=True)
    assert (made - wanted).square().mean() < (mean - wanted).square().mean()


def test_it_is_fitted_once_and_kept_by_content(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latent = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    first = latent_colors(model, latent)
    (file,) = (tmp_path / "colors").iterdir()
    calls: list[int] = []
    monkeypatch.setattr("scumble.models.latent_colors.fit", lambda one: calls.append(1) or fit(one))
    twin, other, broken = (copy.deepcopy(model) for _ in range(3))
    assert torch.equal(latent_colors(twin, latent), first) and not calls
    other.vae.decoder.conv_out.weight.data.mul_(2)  # type: ignore[attr-defined]
    assert not torch.equal(latent_colors(other, latent), first) and len(calls) == 1
    file.write_text("[[NaN]]")
    assert torch.equal(latent_colors(broken, latent), first) and len(calls) == 2


def test_a_pixel_model_shows_its_picture() -> None:
    x = torch.zeros(1, 3, 16, 16)
    assert latent_colors(tiny_ddpm(), x) is x
