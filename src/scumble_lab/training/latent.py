"""The latent U-Net with its text encoder: sentences to pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from scumble_lab.training.clip import build_clip
from scumble_lab.training.config import LatentConfig
from scumble_lab.training.latents import encoded_world, finished_vae
from scumble_lab.training.loop import Draw
from scumble_lab.training.losses import denoising_loss
from scumble_lab.training.run_folder import RunFolder, load_average
from scumble_lab.training.sheet import save_sheet
from scumble_lab.training.texts import WORDINGS, wordings
from scumble_lab.training.tokenizer import build_tokenizer, token_ids
from scumble_lab.world import caption

__all__ = ["LatentTask", "build_latent", "latent_scheduler", "sample_latents", "text_encoder_of"]


def build_latent(config: LatentConfig, latent: int, latent_channels: int, text_width: int) -> UNet2DConditionModel:
    """A fresh U-Net for latents of `latent` squared."""
    down = ["CrossAttnDownBlock2D" if with_text else "DownBlock2D" for with_text in config.attention]
    up = ["CrossAttnUpBlock2D" if with_text else "UpBlock2D" for with_text in reversed(config.attention)]
    return UNet2DConditionModel(
        sample_size=latent,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=config.channels,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        layers_per_block=config.layers_per_block,
        cross_attention_dim=text_width,
        attention_head_dim=config.heads,  # diffusers reads this as the number of heads
        norm_num_groups=16,
    )


def latent_scheduler() -> DDIMScheduler:
    """Stable Diffusion's own schedule."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


def text_encoder_of(clip: CLIPModel) -> CLIPTextModel:
    """A text encoder for the U-Net that starts as CLIP's text tower."""
    encoder = CLIPTextModel(clip.config.text_config)
    tower = clip.text_model.state_dict()
    prefix = "text_model." if any(key.startswith("text_model.") for key in encoder.state_dict()) else ""
    encoder.load_state_dict({prefix + key: value for key, value in tower.items()})
    return encoder


class LatentTask:
    """Epsilon prediction on latents; some sentences are dropped so that guidance is possible."""

    def __init__(self, shop: RunFolder) -> None:
        size = shop.size
        self.config, self.world = size.latent, shop.world()
        self.device, self.bf16 = torch.device(size.device), size.bf16
        self.vae = finished_vae(shop)
        self.latents = encoded_world(shop, self.vae)
        self.tokenizer: CLIPTokenizer = build_tokenizer()
        clip = build_clip(size.clip, self.tokenizer, size.picture)
        load_average(shop.checkpoint("clip"), "clip", clip)
        self.ids = wordings(self.world.scenes, self.tokenizer, self.config.schedule.seed)
        self.empty = token_ids(self.tokenizer, [""])
        torch.manual_seed(self.config.schedule.seed)
        self.text = text_encoder_of(clip).to(self.device)
        channels, side = self.latents.shape[2], self.latents.shape[-1]
        self.unet = build_latent(self.config, side, channels, size.clip.text_width)
        self.unet.to(self.device, memory_format=torch.channels_last)
        if self.device.type == "cpu":
            self.unet.set_attn_processor(AttnProcessor())  # twice as fast to train as the fused kernel here
            self.text.set_attn_implementation("eager")
        self.scheduler = latent_scheduler()
        self.abar = self.scheduler.alphas_cumprod.to(self.device)

    def modules(self) -> Mapping[str, nn.Module]:
        """U-Net and text encoder."""
        return {"unet": self.unet, "text_encoder": self.text}

    def rates(self) -> Mapping[str, float]:
        """The text encoder learns more slowly: it has a head start from CLIP."""
        return {"unet": 1.0, "text_encoder": self.config.text_rate}

    def loss(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One batch at random levels."""
        index = draw.index(self.world.trained, batch)
        mean, std = self.latents[index].to(self.device).float().unbind(1)
        x0 = mean + std * draw.normal(mean)
        ids = self.ids[index, draw.index(WORDINGS, batch)]
        dropped = torch.rand(batch, generator=draw.host) < self.config.caption_dropout
        ids = torch.where(dropped[:, None], self.empty, ids).to(self.device)
        t = draw.index(len(self.abar), batch).to(self.device)
        words = self.text(ids)[0]
        return denoising_loss(
            lambda x, t: self.unet(x, t, words).sample,
            x0,
            t,
            draw.normal(x0),
            self.abar,
            self.config.snr_limit,
        )

    def validate(self) -> Mapping[str, float]:
        """Mean squared error of epsilon on held-out scenes, levels spread evenly, noise fixed."""
        start = self.world.trained
        x0 = self.latents[start:, 0].to(self.device).float()
        noise = Draw.of(7, 7, self.device).normal(x0)
        t = torch.linspace(20, 980, len(x0)).long().to(self.device)
        ids = self.ids[start:, 0].to(self.device)
        errors = []
        for part in torch.arange(len(x0), device=self.device).split(64):
            words = self.text(ids[part])[0]
            _, figures = denoising_loss(
                lambda x, t: self.unet(x, t, words).sample,  # noqa: B023
                x0[part], t[part], noise[part], self.abar, self.config.snr_limit,
            )  # fmt: skip
            errors.append(figures["mse"] * len(part))
        return {"mse": (torch.stack(errors).sum() / len(x0)).item()}

    def sheet(self, path: Path) -> None:
        """Pictures for held-out sentences."""
        texts = [caption(scene) for scene in self.world.scenes[self.world.trained :][:8]]
        latents = sample_latents(self.unet, self.text, self.tokenizer, texts, steps=20)
        pictures = decode(self.vae, latents)
        save_sheet(torch.cat([pictures, self.world.unseen(8)]), path)


@torch.no_grad()
def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Scaled latents to pictures (B, 3, H, W) in [-1, 1], on the CPU."""
    pictures = vae.decode(latents.to(next(vae.parameters())) / vae.config.scaling_factor).sample
    return pictures.float().cpu().clamp(-1, 1)


@torch.no_grad()
def sample_latents(
    unet: UNet2DConditionModel,
    text: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    prompts: Sequence[str],
    *,
    steps: int = 50,
    guidance: float = 5.0,
    seed: int = 0,
    scheduler: DDIMScheduler | None = None,
) -> Tensor:
    """DDIM with classifier-free guidance (1: none) on the levels of a scheduler; scaled latents (B, C, h, w)."""
    device = next(unet.parameters()).device
    scheduler = scheduler or latent_scheduler()
    scheduler.set_timesteps(steps)
    words = text(token_ids(tokenizer, [*[""] * len(prompts), *prompts]).to(device))[0]
    config: Any = unet.config
    shape = (len(prompts), config.in_channels, config.sample_size, config.sample_size)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)
    for t in scheduler.timesteps:
        if guidance == 1:
            x = scheduler.step(unet(x, t, words[len(prompts) :]).sample.float(), t, x).prev_sample
            continue
        without, wanted = unet(torch.cat([x, x]), t, words).sample.float().chunk(2)
        x = scheduler.step(without + guidance * (wanted - without), t, x).prev_sample
    return x
