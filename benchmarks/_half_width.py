"""A pipeline of Stable Diffusion 1.5's structure at half its width, with random weights, for timings at 512 px."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["SCHEDULE", "half_width_pipe"]

SCHEDULE: dict[str, Any] = {
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": False, "steps_offset": 1,
}  # fmt: skip
"""Of Stable Diffusion, as diffusers' scheduler takes it."""


def half_width_pipe() -> Any:
    """Return the pipeline; its weights are the same every time, its prompts are read by the bundled text encoder."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionImg2ImgPipeline, UNet2DConditionModel

    from scumble.models.loading import load

    bundled: Any = load(device="cpu")
    encoder = bundled.text.encoders[0]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = UNet2DConditionModel(
            sample_size=64, block_out_channels=(160, 320, 640, 640), attention_head_dim=8,
            cross_attention_dim=encoder.network.config.hidden_size,
        )  # fmt: skip
        vae = AutoencoderKL(
            block_out_channels=(64, 128, 256, 256), layers_per_block=2, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, sample_size=512,
        )  # fmt: skip
    return StableDiffusionImg2ImgPipeline(
        vae=vae.eval(), text_encoder=encoder.network, tokenizer=encoder.tokenizer, unet=unet.eval(),
        scheduler=DDIMScheduler(**SCHEDULE),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
