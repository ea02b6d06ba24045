from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction
from scumble.errors import CheckpointError
from scumble.models import vae as vae_module
from scumble.models.base import Model
from scumble.models.latent import LatentModel
from scumble.models.loading import from_pipe
from scumble.models.taps import Tap
from scumble.models.text import TextEncoder, TextStack
from tests.support.tiny import make_unet, make_vae


@pytest.fixture(scope="module")
def sd(sd_pipe: Any) -> Any:
    return from_pipe(sd_pipe)


@pytest.fixture(scope="module")
def sdxl(sdxl_pipe: Any) -> Any:
    return from_pipe(sdxl_pipe)


def test_a_model_says_what_it_is(sd: Model, sdxl: Model) -> None:
    for model in (sd, sdxl):
        assert (model.factor, model.multiple, model.native_size, model.channels) == (2, 4, 16, 4)
        assert model.takes_text
        assert model.device == torch.device("cpu")
        assert model.dtype == torch.float32
        assert model.clip_sample is None


def test_latents_are_never_clipped_although_the_scheduler_config_says_so(sd: Model) -> None:
    assert sd.schedule.clip_sample == 1.0
    assert sd.clip_sample is None


def test_sd_embeddings_equal_those_of_diffusers(sd: Model, sd_pipe: Any) -> None:
    with torch.no_grad():
        expected, negative = sd_pipe.encode_prompt("a red cube", "cpu", 1, True, negative_prompt="fog")
    cond = sd.embed(["a red cube", "fog"])
    assert cond.embeds is not None
    assert torch.allclose(cond.embeds, torch.cat([expected, negative]), atol=1e-6)
    assert cond.pooled is None
    assert cond.time_ids is None


def test_sdxl_embeddings_equal_those_of_diffusers(sdxl: Model, sdxl_pipe: Any) -> None:
    with torch.no_grad():
        expected = sdxl_pipe.encode_prompt("a red cube", device="cpu", negative_prompt="fog")
        unconditional = sdxl_pipe.encode_prompt("a red cube", device="cpu")
    cond = sdxl.embed(["a red cube", "fog", ""], size=(24, 16))
    assert cond.embeds is not None
    assert cond.pooled is not None
    assert torch.allclose(cond.embeds, torch.cat([expected[0], expected[1], unconditional[1]]), atol=1e-6)
    assert torch.allclose(cond.pooled, torch.cat([expected[2], expected[3], unconditional[3]]), atol=1e-6)
    assert torch.equal(cond.time_ids, torch.tensor([[24.0, 16, 0, 0, 24, 16]] * 3))


def test_sdxl_is_told_its_native_size_when_none_is_given(sdxl: Model) -> None:
    ids = sdxl.embed(["a cat"]).time_ids
    assert ids is not None
    assert ids.tolist() == [[16, 16, 0, 0, 16, 16]]


def test_a_known_prompt_is_not_encoded_again(sd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sd.embed(["sand on sand"]).embeds
    monkeypatch.setattr(TextStack, "_single", lambda self, prompt: pytest.fail("encoded again"))
    assert torch.equal(sd.embed(["sand on sand"] * 2).embeds, torch.cat([first, first]))


def test_a_prompt_has_the_same_embedding_in_any_company(sd: Model) -> None:
    both = sd.embed(["a cat", "a cube on red sand"]).embeds
    assert both is not None
    sd.text._known.clear()  # type: ignore[attr-defined]
    assert torch.equal(sd.embed(["a cube on red sand"]).embeds, both[1:])  # type: ignore[arg-type]


def test_a_prompt_that_is_cut_is_reported_with_the_words_lost(sd: Model, caplog: pytest.LogCaptureFixture) -> None:
    prompt = "a red cube on sand " * 3 + "a cat"
    with caplog.at_level(logging.WARNING, logger="scumble"):
        cond = sd.with_prompts_cut().embed([prompt])  # type: ignore[attr-defined]
    assert cond.embeds is not None
    assert cond.embeds.shape[1] == 16
    assert sd.with_prompts_cut().words_cut(prompt) == "sand a cat"  # type: ignore[attr-defined]
    assert "sand a cat" in caplog.text
    assert sd.words_cut("a cat") == ""
    endless = prompt * 20
    assert sd.embed([endless]).text.shape[1] == 16 * 16
    assert sd.words_cut(endless).endswith("a cat")


@pytest.mark.parametrize("t", [1, 501, 999])
def test_sd_predictions_equal_a_direct_call_of_the_network(sd: Model, sd_pipe: Any, t: int) -> None:
    x, cond, level = torch.randn(2, 4, 8, 8), sd.embed(["a cat", ""]), sd.schedule.at(t)
    with torch.no_grad():
        eps = sd_pipe.unet(x, torch.tensor(t), encoder_hidden_states=cond.embeds).sample
        found = sd.predict(x, level, cond)
    expected = Prediction.from_output("epsilon", eps, x, level)
    assert torch.equal(found.eps, expected.eps)
    assert torch.equal(found.x0, expected.x0)


def test_sdxl_predictions_equal_a_direct_call_of_the_network(sdxl: Model, sdxl_pipe: Any) -> None:
    x, cond, level = torch.randn(2, 4, 8, 8), sdxl.embed(["a cat", ""], size=(16, 16)), sdxl.schedule.at(300)
    added = {"text_embeds": cond.pooled, "time_ids": cond.time_ids}
    with torch.no_grad():
        eps = sdxl_pipe.unet(x, torch.tensor(300), encoder_hidden_states=cond.embeds, added_cond_kwargs=added).sample
        assert torch.equal(sdxl.predict(x, level, cond).eps, eps)


def test_a_level_per_row_equals_separate_calls(sd: Model, sdxl: Model) -> None:
    for model in (sd, sdxl):
        x, cond = torch.randn(3, 4, 8, 8), model.embed(["a cat", "", "red sand"])
        levels = [model.schedule.at(t) for t in (20, 20.5, 900)]
        with torch.no_grad():
            together = model.predict(x, levels, cond)
            for i, level in enumerate(levels):
                alone = model.predict(x[i : i + 1], level, cond.rows(i, i + 1))
                assert torch.allclose(together.x0[i : i + 1], alone.x0, atol=1e-4)
                assert torch.allclose(together.eps[i : i + 1], alone.eps, atol=1e-5)


def test_one_row_of_conditioning_serves_a_batch(sd: Model) -> None:
    x, level = torch.randn(2, 4, 8, 8), sd.schedule.at(100)
    with torch.no_grad():
        one = sd.predict(x, level, sd.embed(["a cat"]))
        two = sd.predict(x, level, sd.embed(["a cat", "a cat"]))
    assert torch.equal(one.eps, two.eps)


def test_taps_act_in_a_prediction(sd: Model) -> None:
    x, level, cond = torch.randn(1, 4, 8, 8), sd.schedule.at(100), sd.embed(["a cat"])
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        plain = sd.predict(x, level, cond)
        read = sd.predict(x, level, cond, [Tap("mid_block", seen.append)])
        moved = sd.predict(x, level, cond, [Tap("mid_block", lambda h: h + 1)])
    assert len(seen) == 1
    assert torch.equal(plain.eps, read.eps)
    assert not torch.allclose(plain.eps, moved.eps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_networks_give_float32(dtype: torch.dtype, sd: Any, tokenizer: Any) -> None:
    unet, vae = make_unet().to(dtype), make_vae().to(dtype)
    model = LatentModel("half", unet, vae, sd.text, sd.schedule.config, torch.device("cpu"))
    assert model.dtype == dtype
    with torch.no_grad():
        found = model.predict(torch.randn(1, 4, 8, 8), model.schedule.at(500), model.embed(["a cat"]))
        x0 = model.encode(torch.rand(1, 3, 16, 16) * 2 - 1)
        image = model.decode(x0)
    for tensor in (found.x0, found.eps, x0, image):
        assert tensor.dtype == torch.float32
        assert bool(tensor.isfinite().all())
    assert next(vae.parameters()).dtype == dtype


def test_a_double_precision_state_stays_in_double_precision(sd: Model) -> None:
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        assert sd.predict(x, sd.schedule.at(500), sd.embed(["a cat"])).x0.dtype == torch.float64


def test_encoding_is_the_scaled_posterior_mean(sd: Model, sd_pipe: Any) -> None:
    image = torch.rand(2, 3, 16, 24) * 2 - 1
    with torch.no_grad():
        posterior = sd_pipe.vae.encode(image).latent_dist
    x0 = sd.encode(image)
    assert x0.shape == (2, 4, 8, 12)
    assert torch.equal(x0, posterior.mean * 0.18215)
    noise = torch.randn(2, 4, 8, 12)
    assert torch.equal(sd.encode(image, noise), (posterior.mean + posterior.std * noise) * 0.18215)


def test_decoding_equals_diffusers_and_undoes_scale_and_shift() -> None:
    vae = make_vae(scaling_factor=0.5, shift_factor=0.25)
    x0 = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(vae_module.from_latent(vae, x0), vae.decode(x0 / 0.5 + 0.25).sample)
        image = torch.rand(1, 3, 16, 16)
        assert torch.equal(vae_module.to_latent(vae, image, None), (vae.encode(image).latent_dist.mean - 0.25) * 0.5)


def test_encoding_and_decoding_keep_a_graph_only_when_asked(sd: Model) -> None:
    image, x0 = torch.rand(1, 3, 16, 16), torch.randn(1, 4, 8, 8)
    with torch.enable_grad():
        assert not sd.encode(image).requires_grad
        assert not sd.decode(x0).requires_grad
        assert sd.decode(x0.requires_grad_()).requires_grad


def test_large_pictures_go_through_the_autoencoder_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    vae, image = make_vae(), torch.rand(1, 3, 64, 80)
    with torch.no_grad():
        whole = vae_module.to_latent(vae, image, None)
        monkeypatch.setattr(vae_module, "LARGE", 64)
        monkeypatch.setattr(vae_module, "TILE", 32)
        tiled = vae_module.to_latent(vae, image, None)
        decoded = vae_module.from_latent(vae, tiled)
    assert tiled.shape == whole.shape
    assert decoded.shape == image.shape
    assert not torch.equal(tiled, whole)
    assert not vae.use_tiling
    assert not vae.use_slicing
    assert vae.tile_sample_min_size == 16


def test_the_hash_changes_with_the_weights(sd: Any) -> None:
    unets = [make_unet(), make_unet()]
    unets.append(make_unet())
    unets[2].load_state_dict(unets[0].state_dict())
    hashes = [LatentModel("m", unet, sd.vae, sd.text, sd.schedule.config, sd.device).weights_hash for unet in unets]
    assert hashes[0] == hashes[2] != hashes[1]
    assert len(hashes[0]) == 64


@pytest.mark.parametrize(("channels", "word"), [(9, "inpainting"), (7, "upscaling"), (5, "depth")])
def test_unets_that_want_more_than_a_latent_are_refused(sd: Any, channels: int, word: str) -> None:
    with pytest.raises(CheckpointError, match=word):
        LatentModel("m", make_unet(in_channels=channels), sd.vae, sd.text, sd.schedule.config, sd.device)


def test_text_encoders_that_do_not_fit_are_refused(sdxl: Any, sdxl_pipe: Any) -> None:
    only_second = TextStack([TextEncoder(sdxl_pipe.tokenizer_2, sdxl_pipe.text_encoder_2)], sdxl.device)
    with pytest.raises(CheckpointError, match="refiner"):
        LatentModel("m", sdxl_pipe.unet, sdxl.vae, only_second, sdxl.schedule.config, sdxl.device)


def test_a_scheduler_that_is_not_understood_is_refused(sd: Any) -> None:
    with pytest.raises(CheckpointError, match="beta_schedule"):
        LatentModel("m", sd.denoiser, sd.vae, sd.text, {"beta_schedule": "wavy"}, sd.device)


def test_v_prediction_is_understood(sd: Any) -> None:
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    config = {**betas, "prediction_type": "v_prediction"}
    model = LatentModel("m", sd.denoiser, sd.vae, sd.text, config, sd.device)
    x, level, cond = torch.randn(1, 4, 8, 8), sd.schedule.at(300), sd.embed(["a cat"])
    with torch.no_grad():
        output = sd.predict(x, level, cond).eps
        assert torch.allclose(model.predict(x, level, cond).x0, level.a * x - level.s * output, atol=1e-6)


def test_the_batch_of_a_conditioning_is_its_number_of_prompts(sdxl: Model) -> None:
    cond = sdxl.embed(["a", "b c", "d"])
    assert isinstance(cond, Conditioning)
    assert cond.batch == 3
    assert cond.rows(1, 2).batch == 1
