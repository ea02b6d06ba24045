"""The finished latent model that other models are made from: the working folder's newest, else the published one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel

from scumble.errors import CheckpointError
from scumble_lab.training.latents import finished_vae
from scumble_lab.training.run_folder import RunFolder, load_average
from scumble_lab.training.storage import latest_checkpoint

__all__ = ["PUBLISHED", "Teacher"]

PUBLISHED = Path(__file__).resolve().parents[2] / "scumble" / "bundled" / "still-life"


@dataclass(frozen=True)
class Teacher:
    """Networks in float32 and eval mode, frozen."""

    vae: AutoencoderKL
    text: CLIPTextModel
    unet: UNet2DConditionModel

    @classmethod
    def of(cls, shop: RunFolder) -> Teacher:
        """Load the latent model of the working folder, or the published one where none was trained there.

        Raises:
            CheckpointError: If the published model is of another size than the workshop's.
        """
        size = shop.size
        text: Any = CLIPTextModel.from_pretrained(PUBLISHED / "text_encoder").float()
        unet: Any = UNet2DConditionModel.from_pretrained(PUBLISHED / "unet").float()
        trained = latest_checkpoint(shop.folder("latent"))
        if trained is not None:
            from scumble_lab.training.clip import build_clip
            from scumble_lab.training.latent import build_latent, text_encoder_of
            from scumble_lab.training.tokenizer import build_tokenizer

            side = size.picture // 2 ** (len(size.vae.channels) - 1)
            text = text_encoder_of(build_clip(size.clip, build_tokenizer(), size.picture))
            unet = build_latent(size.latent, side, size.vae.latent_channels, size.clip.text_width)
            load_average(trained, "text_encoder", text)
            load_average(trained, "unet", unet)
            vae: Any = finished_vae(shop)
        else:
            vae = AutoencoderKL.from_pretrained(PUBLISHED / "vae").float()
            if vae.config.sample_size != size.picture:
                raise CheckpointError(
                    f"the published latent model is of {vae.config.sample_size} px, size {size.name} of {size.picture}:"
                    f" train vae, clip and latent of this size first, in {shop.root}"
                )
        for network in (vae, text, unet):
            network.to(size.device).eval().requires_grad_(False)
        if size.device == "cpu":  # twice as fast to train as the fused kernels here
            unet.set_attn_processor(AttnProcessor())
            text.set_attn_implementation("eager")
        return cls(vae, text, unet)
