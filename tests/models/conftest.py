"""Tiny random pipelines in the layouts of Stable Diffusion, SDXL and DDPM."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.support.tiny import make_pixel_unet, make_text_encoder, make_tokenizer, make_unet, make_vae


@pytest.fixture(autouse=True)
def seeded() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def sd_pipe(tokenizer: Any) -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    with torch.random.fork_rng():
        torch.manual_seed(1)
        return StableDiffusionPipeline(
            vae=make_vae(),
            text_encoder=make_text_encoder(tokenizer, 16),
            tokenizer=tokenizer,
            unet=make_unet(),
            scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


@pytest.fixture(scope="session")
def sdxl_pipe(tokenizer: Any) -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    with torch.random.fork_rng():
        torch.manual_seed(2)
        return StableDiffusionXLPipeline(
            vae=make_vae(scaling_factor=0.13025),
            text_encoder=make_text_encoder(tokenizer, 16),
            text_encoder_2=make_text_encoder(tokenizer, 24, projected=True),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            unet=make_unet(
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=(1, 2),
                cross_attention_dim=40,
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=4,
                projection_class_embeddings_input_dim=12 + 6 * 4,
            ),
            scheduler=EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
            force_zeros_for_empty_prompt=True,
        )


@pytest.fixture(scope="session")
def ddpm_pipe() -> Any:
    from diffusers import DDPMPipeline, DDPMScheduler

    with torch.random.fork_rng():
        torch.manual_seed(3)
        return DDPMPipeline(unet=make_pixel_unet(), scheduler=DDPMScheduler(variance_type="learned_range"))
