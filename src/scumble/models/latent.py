"""Latent diffusion: a U-Net between a text encoder and an autoencoder (arXiv 2112.10752; SDXL: 2307.01952)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level, Schedule
from scumble.errors import CheckpointError
from scumble.models.checks import check_conditioning, check_tokenizer
from scumble.models.control import ControlNet
from scumble.models.forward import denoise, timesteps
from scumble.models.guidance_input import guidance_width
from scumble.models.image_prompt import ImagePrompt
from scumble.models.live_hash import live_hash
from scumble.models.precision import compute_dtype
from scumble.models.runtime.base import Runtime
from scumble.models.scheduler_remarks import few_step_defaults, scheduler_remarks
from scumble.models.taps import Tap, attached
from scumble.models.text import TextStack
from scumble.models.vae import from_latent, latent_factor, to_latent, unscaled

__all__ = ["LatentModel"]

OTHER_INPUTS = {
    9: "an inpainting U-Net (it also wants a mask and a masked picture); use the ordinary checkpoint of its family",
    7: "an upscaling U-Net (it also wants a picture); use a text-to-image checkpoint",
    5: "a depth U-Net (it also wants a depth map); use a text-to-image checkpoint",
}


class LatentModel:
    """A latent diffusion checkpoint that makes images from text, or edits them by instruction.

    See :class:`scumble.models.base.Model` for its members.

    Args:
        name: How to call it; never a whole path.
        unet: diffusers ``UNet2DConditionModel``.
        vae: diffusers ``AutoencoderKL``.
        text: Its text encoders.
        scheduler_config: The checkpoint's scheduler config.
        device: Where its networks run; they are not moved.
        weights_hash: Computes the hash of the U-Net's weights when it is first asked for; None: from its state.
        defaults: Values of method fields that users have not set; none by default.

    Raises:
        CheckpointError: If the parts are not those of a text-to-image model, or don't fit each other.
    """

    takes_text = True
    clip_sample: float | None = (
        None  # clipping is for pixels; diffusers' configs of latent models leave it on by default
    )

    def __init__(
        self,
        name: str,
        unet: Any,
        vae: Any,
        text: TextStack,
        scheduler_config: Mapping[str, Any],
        device: torch.device,
        weights_hash: Callable[[], str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        _check(unet, vae, text)
        _check_told(unet, text, name)
        try:
            self.schedule = Schedule.from_config(scheduler_config)
        except ValueError as error:
            raise CheckpointError(f"the scheduler config of {name} cannot be used: {error}") from error
        self.name = name
        self.runtime: Runtime | None = None
        self.denoiser: nn.Module = unet
        self.vae = vae
        self.text = text
        self.device = device
        self.dtype: torch.dtype = compute_dtype(unet)
        self.factor = latent_factor(vae)
        self.channels = int(vae.config.latent_channels)
        self.picture_channels = int(unet.config.in_channels) - self.channels
        self.multiple = self.factor * 2 ** (len(unet.config.down_block_types) - 1)
        self.native_size = _side(unet.config.sample_size, 64) * self.factor
        few = few_step_defaults(self.schedule.config, self.reads_guidance)
        self.defaults: Mapping[str, Any] = {**few, **(defaults or {})}
        self.remarks: tuple[str, ...] = scheduler_remarks(scheduler_config, self.reads_guidance)
        self.settings: Mapping[str, Any] = {}
        self.control: ControlNet | None = None
        self.image_prompt: ImagePrompt | None = None
        self.decode_preview: Callable[[Tensor], Tensor] | None = None
        self.hash_of_weights = live_hash(unet) if weights_hash is None else cache(weights_hash)

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the U-Net's weights."""
        return self.hash_of_weights()

    @property
    def reads_guidance(self) -> bool:
        """Whether the U-Net reads the guidance weight as an input, as full LCM checkpoints do."""
        return guidance_width(self.denoiser) is not None

    def use_vae(self, vae: Any) -> None:
        """Take another autoencoder, of latents of the same kind."""
        self.vae = vae

    def encode(self, image: Tensor, sample_noise: Tensor | None = None) -> Tensor:
        """Return the latent of a picture: the posterior's mean, or the sample that ``sample_noise`` picks."""
        return to_latent(self.vae, image.to(self.device), sample_noise, self.runtime)

    def decode(self, x0: Tensor) -> Tensor:
        """Return the picture of a latent."""
        return from_latent(self.vae, x0.to(self.device), self.runtime)

    def embed(
        self,
        prompts: Sequence[str],
        size: tuple[int, int] | None = None,
        pieces: int | None = None,
        second: str | None = None,
    ) -> Conditioning:
        """Return the embeddings of prompts; known ones are not computed again. SDXL is told ``size`` (H, W)."""
        count = max(pieces or 1, *(self.text.pieces(prompt, second) for prompt in prompts))
        known = [self.text.embed(prompt, count, second, self.runtime) for prompt in prompts]
        embeds = torch.cat([embed for embed, _ in known])
        pooled = [pool for _, pool in known if pool is not None]
        weight = torch.ones(len(known), device=self.device) if self.reads_guidance else None
        if not pooled:
            return Conditioning(embeds, guidance=weight)
        height, width = size or (self.native_size, self.native_size)
        ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32, device=self.device)
        return Conditioning(embeds, torch.cat(pooled), ids.repeat(len(known), 1), guidance=weight)

    def read_picture(self, image: Tensor) -> Tensor:
        """Return the channels (B, P, h, w) of a picture to be edited: the posterior's mean, not scaled."""
        return unscaled(self.vae, self.encode(image))

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Tap] = ()
    ) -> Prediction:
        """Predict for ``x`` at one level, or at one level per row."""
        with attached(self.denoiser, taps):
            output = denoise(self.denoiser, x, timesteps(level, x.device), cond, self.runtime)
        return Prediction.from_output(self.schedule.prediction_type, output, x.to(output.dtype), level)

    def pieces(self, prompt: str) -> int:
        """Return how many pieces of the text encoder's length a prompt has."""
        return self.text.pieces(prompt)

    def with_prompts_cut(self) -> LatentModel:
        """The same model, whose text encoders read one piece of a prompt and no more, as in version 0.1."""
        model = copy.copy(self)
        model.text = self.text.cut()
        return model

    def tokens(self, prompt: str) -> list[int]:
        """Return the token ids that the network sees, markers included, padding left out."""
        return self.text.tokens(prompt)

    def word_tokens(self, prompt: str, word: str) -> list[int]:
        """Return the positions of every occurrence of a word in ``tokens(prompt)``; InputError when there is none."""
        return self.text.word_tokens(prompt, word)

    def words_cut(self, prompt: str) -> str:
        """Return the end of the prompt that the text encoder cannot see."""
        return self.text.words_cut(prompt)


def _check(unet: Any, vae: Any, text: TextStack) -> None:
    wanted, given = int(vae.config.latent_channels), int(unet.config.in_channels)
    if given not in (wanted, 2 * wanted):
        what = OTHER_INPUTS.get(given, "not made for this autoencoder")
        raise CheckpointError(f"the U-Net takes {given} channels, the autoencoder has {wanted}: it is {what}")
    width = sum(int(encoder.network.config.hidden_size) for encoder in text.encoders)
    expected = unet.config.cross_attention_dim
    if isinstance(expected, int) and expected != width:
        raise CheckpointError(
            f"the U-Net reads text embeddings of width {expected}, the {len(text.encoders)} text encoder(s) give"
            f" {width}; SDXL needs both of its encoders, its refiner is not supported"
        )


def _check_told(unet: Any, text: TextStack, name: str) -> None:
    """Refuse what the network would be told wrongly."""
    last = text.encoders[-1].network.config
    pooled = int(last.projection_dim) if len(text.encoders) > 1 else None
    check_conditioning(unet, name, len(text.encoders), pooled)
    for encoder in text.encoders:
        check_tokenizer(encoder.tokenizer, encoder.network, name)


def _side(size: Any, default: int) -> int:
    if size is None:
        return default
    return int(size) if isinstance(size, int) else int(min(size))
