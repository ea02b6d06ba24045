"""The autoencoder: pictures to latents of a quarter of the size and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from scumble.images import psnr
from scumble_lab.training.config import Size, VaeConfig
from scumble_lab.training.data import World
from scumble_lab.training.loop import Draw
from scumble_lab.training.sheet import save_sheet

__all__ = ["VaeTask", "build_vae", "gradient_loss", "mean_psnr", "whiten"]


def build_vae(config: VaeConfig, picture: int) -> AutoencoderKL:
    """A fresh autoencoder."""
    levels = len(config.channels)
    return AutoencoderKL(
        block_out_channels=config.channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=config.latent_channels,
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=picture,
    )


def gradient_loss(decoded: Tensor, true: Tensor) -> Tensor:
    """Mean absolute difference of the horizontal and vertical gradients: keeps edges sharp."""
    error = decoded - true
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def mean_psnr(decoded: Tensor, true: Tensor) -> float:
    """Mean over pictures (B, 3, H, W) in [-1, 1] of the peak signal-to-noise ratio in dB."""
    return fmean(psnr(one, two, 2) for one, two in zip(decoded.float().clamp(-1, 1), true, strict=True))


class VaeTask:
    """L1 + L2 + gradients, and a little KL; half-size crops first, whole pictures after."""

    def __init__(self, size: Size, world: World) -> None:
        self.config, self.world = size.vae, world
        self.device, self.bf16 = torch.device(size.device), size.bf16
        torch.manual_seed(self.config.schedule.seed)
        self.vae = build_vae(self.config, size.picture).to(self.device, memory_format=torch.channels_last)

    def modules(self) -> Mapping[str, nn.Module]:
        """The autoencoder."""
        return {"vae": self.vae}

    def rates(self) -> Mapping[str, float]:
        """One rate."""
        return {"vae": 1.0}

    def loss(self, draw: Draw, batch: int, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One batch; four times as many crops as whole pictures cost the same, three times are taken."""
        cropped = progress < self.config.crop_until
        x = self.world.batch(draw.index(self.world.trained, batch * 3 if cropped else batch), self.device)
        if cropped:
            side = x.shape[-1] // 2
            top, left = (int(draw.index(side // 4 + 1, 1)) * 4 for _ in range(2))
            x = x[..., top : top + side, left : left + side]
        if int(draw.index(2, 1)):
            x = x.flip(-1)
        x = x.contiguous(memory_format=torch.channels_last)
        posterior = self.vae.encode(x).latent_dist
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        z = mean + draw.normal(mean) * (0.5 * logvar).exp()
        decoded = self.vae.decode(z).sample.float()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        l1, l2 = (decoded - x).abs().mean(), (decoded - x).square().mean()
        loss = l1 + 2 * l2 + 0.5 * gradient_loss(decoded, x) + self.config.kl_weight * kl
        return loss, {"l2": l2.detach(), "kl": kl.detach()}

    def validate(self) -> Mapping[str, float]:
        """PSNR on held-out scenes, and the largest and smallest standard deviation of a latent channel."""
        true = self.world.unseen(self.world.held_out, self.device)
        latents = torch.cat([self.vae.encode(x).latent_dist.mean for x in true.split(32)])
        decoded = torch.cat([self.vae.decode(z).sample for z in latents.split(32)])
        std = latents.std((0, 2, 3))
        return {"psnr": mean_psnr(decoded, true), "std_min": std.min().item(), "std_max": std.max().item()}

    def sheet(self, path: Path) -> None:
        """Held-out pictures above their reconstructions."""
        true = self.world.unseen(16, self.device)
        rebuilt = self.vae(true).sample
        save_sheet(torch.cat([true[:8], rebuilt[:8], true[8:], rebuilt[8:]]), path)


@torch.no_grad()
def whiten(vae: AutoencoderKL, pictures: Tensor) -> AutoencoderKL:
    """Give every latent channel mean 0 and the same deviation, without changing what decodes from it.

    The affine map is folded into the 1x1 convolutions on either side of the latents; `scaling_factor`
    then makes the variance one, as diffusers pipelines expect. `pictures`: (B, 3, H, W) in [-1, 1].
    """
    latents = torch.cat([vae.encode(x).latent_dist.mean for x in pictures.split(32)])
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    common = std.log().mean().exp()
    factor = common / std
    count = len(mean)
    into, back = vae.quant_conv, vae.post_quant_conv
    into.weight[:count] *= factor.view(-1, 1, 1, 1)
    into.bias[:count] = (into.bias[:count] - mean) * factor
    into.bias[count:] += 2 * factor.log()
    back.bias += back.weight[:, :, 0, 0] @ mean
    back.weight /= factor.view(1, -1, 1, 1)
    vae.register_to_config(scaling_factor=float(1 / common))
    return vae
