"""The unconditional U-Net that works on pixels themselves, for the pixel-space methods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from torch import Tensor, nn

from scumble_lab.training.config import PixelConfig, Size
from scumble_lab.training.data import World
from scumble_lab.training.loop import Draw
from scumble_lab.training.losses import denoising_loss
from scumble_lab.training.sheet import save_sheet

__all__ = ["PixelTask", "build_pixel", "pixel_scheduler", "sample_pixels"]


def build_pixel(config: PixelConfig, picture: int) -> UNet2DModel:
    """A fresh U-Net."""
    down = ["AttnDownBlock2D" if attends else "DownBlock2D" for attends in config.attention]
    up = ["AttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(config.attention)]
    return UNet2DModel(
        sample_size=picture,
        block_out_channels=config.channels,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        layers_per_block=config.layers_per_block,
        attention_head_dim=config.head_dim,
        norm_num_groups=8,
    )


def pixel_scheduler(config: PixelConfig) -> DDPMScheduler:
    """The linear schedule of DDPM (arXiv 2006.11239)."""
    return DDPMScheduler(
        beta_schedule="linear", variance_type="fixed_small", clip_sample=True, prediction_type=config.prediction
    )


class PixelTask:
    """Denoising of pixels; pictures are mirrored at random, since nothing names left or right."""

    def __init__(self, size: Size, world: World) -> None:
        self.config, self.world = size.pixel, world
        self.device, self.bf16 = torch.device(size.device), size.bf16
        torch.manual_seed(self.config.schedule.seed)
        self.unet = build_pixel(self.config, size.picture)
        self.unet.to(self.device, memory_format=torch.channels_last)
        self.scheduler = pixel_scheduler(self.config)
        self.abar = self.scheduler.alphas_cumprod.to(self.device)

    def modules(self) -> Mapping[str, nn.Module]:
        """The U-Net."""
        return {"unet": self.unet}

    def rates(self) -> Mapping[str, float]:
        """One rate."""
        return {"unet": 1.0}

    def loss(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One batch at random levels."""
        x0 = self.world.batch(draw.index(self.world.trained, batch), self.device)
        mirrored = draw.index(2, batch).bool().to(self.device).view(-1, 1, 1, 1)
        x0 = torch.where(mirrored, x0.flip(-1), x0)
        t = draw.index(len(self.abar), batch).to(self.device)
        return denoising_loss(self._predict, x0, t, draw.normal(x0), self.abar, 5.0, self.config.prediction)

    def validate(self) -> Mapping[str, float]:
        """Mean squared error of epsilon on held-out scenes, levels spread evenly, noise fixed."""
        x0 = self.world.unseen(min(128, self.world.held_out), self.device)
        noise = Draw.of(7, 7, self.device).normal(x0)
        t = torch.linspace(20, 980, len(x0)).long().to(self.device)
        parts = zip(x0.split(32), t.split(32), noise.split(32), strict=True)
        errors = [
            denoising_loss(self._predict, *part, self.abar, 5.0, self.config.prediction)[1]["mse"] * len(part[0])
            for part in parts
        ]
        return {"mse": (torch.stack(errors).sum() / len(x0)).item()}

    def sheet(self, path: Path) -> None:
        """Pictures from noise."""
        save_sheet(sample_pixels(self.unet, self.scheduler, 8, steps=25), path)

    def _predict(self, x: Tensor, t: Tensor) -> Tensor:
        predicted: Tensor = self.unet(x, t).sample
        return predicted


@torch.no_grad()
def sample_pixels(
    unet: UNet2DModel,
    scheduler: DDPMScheduler,
    count: int,
    *,
    steps: int = 50,
    seed: int = 0,
    start: Tensor | None = None,
) -> Tensor:
    """DDIM from noise, or from pictures `start` noised to half of the levels: (B, 3, H, W) in [-1, 1], on the CPU."""
    solver = DDIMScheduler.from_config(scheduler.config)
    solver.set_timesteps(steps)
    config: Any = unet.config
    shape = (count, config.in_channels, config.sample_size, config.sample_size)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(next(unet.parameters()).device)
    levels = solver.timesteps
    if start is not None:
        levels = levels[steps // 2 :]
        x = solver.add_noise(start.to(x.device), x, levels[:1])
    for t in levels:
        x = solver.step(unet(x, t).sample.float(), t, x).prev_sample
    return x.float().cpu().clamp(-1, 1)
