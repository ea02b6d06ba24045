"""Removal: without words the region begins as what is around it, and what was in it has no influence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.methods.inpainting.blended_diffusion import BlendedDiffusion
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from scumble.methods.inpainting.local_clip_guided_diffusion import LocalClipGuidedDiffusion
from scumble.methods.inpainting.region_fields import FILLED_NOISE
from tests.support.blended import box, pixel_job, tiny_ddpm, watched


def with_another_thing(image: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask > 0, -image, image)


@pytest.mark.parametrize("kind", [BlendedDiffusion, LocalClipGuidedDiffusion])
@pytest.mark.parametrize("begin", [None, "filled", "picture"])
def test_what_was_in_the_region_matters_only_where_the_picture_is_begun_at(kind: Any, begin: Any) -> None:
    mask, found = box(), []
    for change in (False, True):
        batch = pixel_job(tiny_ddpm(), mask=mask)
        batch.image = with_another_thing(batch.picture, mask) if change else batch.picture
        found.append(kind(num_inference_steps=6, begin=begin).run(batch))
    assert torch.equal(*found) is (begin != "picture")


def test_a_latent_model_forgets_it_too(tiny_sd: Any) -> None:
    mask, found = box(64, 16, 48, 8, 40), []
    for change in (False, True):
        batch = pixel_job(tiny_sd, mask=mask, size=64)
        batch.image = with_another_thing(batch.picture, mask) if change else batch.picture
        found.append(BlendedLatentDiffusion(num_inference_steps=6).run(batch))
    assert torch.equal(*found)


@pytest.mark.parametrize("kind", ["latent", "pixels"])
def test_a_filled_region_begins_where_it_still_shows_through_the_noise(kind: str, tiny_sd: Any) -> None:
    made: Any = BlendedLatentDiffusion if kind == "latent" else BlendedDiffusion
    batch = pixel_job(tiny_sd if kind == "latent" else tiny_ddpm(), mask=box(64, 16, 48, 8, 40), size=64)
    levels = batch.levels(20, "ddim")
    made(num_inference_steps=20, solver="ddim").run(batch)
    first = 20 - batch.cost.network_calls
    assert levels[first].s <= FILLED_NOISE * levels[first].a
    assert levels[first - 1].s > FILLED_NOISE * levels[first - 1].a


def test_what_a_person_says_about_the_start_counts(tiny_sd: Any) -> None:
    for given, calls in (({"skip": 0.25}, 6), ({"prompt": "a house"}, 8), ({"begin": "picture"}, 8)):
        batch = pixel_job(tiny_sd, mask=box(64, 16, 48, 8, 40), size=64)
        BlendedLatentDiffusion(num_inference_steps=8, **given).run(batch)
        assert batch.cost.network_calls == calls


def test_every_sample_is_filled_in_its_own_mask() -> None:
    masks = torch.cat([box(), box(32, 0, 10, 12, 30)])
    together = BlendedDiffusion(num_inference_steps=6).run(pixel_job(tiny_ddpm(), (3, 4), masks))
    assert together is not None
    for k in range(2):
        alone = BlendedDiffusion(num_inference_steps=6).run(pixel_job(tiny_ddpm(), (3 + k,), masks[k : k + 1]))
        torch.testing.assert_close(together[k : k + 1], alone, atol=2e-4, rtol=0)


def test_with_nothing_around_there_is_nothing_to_fill_from(tiny_sd: Any, monkeypatch: Any) -> None:
    for mask in (None, torch.ones(1, 1, 64, 64)):
        batch = pixel_job(tiny_sd, mask=mask, size=64)
        asked = watched(tiny_sd, monkeypatch)
        BlendedLatentDiffusion(num_inference_steps=4).run(batch)
        assert len(asked) == 4
        assert torch.equal(asked[0][:1], batch.noise.normal(batch.shape, "start"))
        monkeypatch.undo()
