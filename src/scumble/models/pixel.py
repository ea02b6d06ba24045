"""Diffusion on the pixels themselves: an unconditional U-Net (arXiv 2006.11239; learned variance: 2102.09672)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level, Schedule
from scumble.errors import CheckpointError, MethodError
from scumble.models.checks import check_classes
from scumble.models.control import ControlNet
from scumble.models.forward import denoise, timesteps
from scumble.models.image_prompt import ImagePrompt
from scumble.models.live_hash import live_hash
from scumble.models.precision import compute_dtype
from scumble.models.runtime.base import Runtime
from scumble.models.scheduler_remarks import scheduler_remarks
from scumble.models.taps import Tap, attached

__all__ = ["PixelModel"]


class PixelModel:
    """An unconditional diffusion model of RGB pictures; see :class:`scumble.models.base.Model` for its members.

    Args:
        name: How to call it; never a whole path.
        unet: diffusers ``UNet2DModel`` with 3 input channels and 3 or 6 (learned variance) output channels.
        scheduler_config: The checkpoint's scheduler config.
        device: Where the network runs; it is not moved.
        weights_hash: Computes the hash of the network's weights when it is first asked for; None: from its state.
        defaults: Values of method fields that users have not set; none by default.

    Raises:
        CheckpointError: If the network is not one of RGB pictures without classes.
    """

    takes_text = False
    picture_channels = 0
    factor = 1

    def __init__(
        self,
        name: str,
        unet: Any,
        scheduler_config: Mapping[str, Any],
        device: torch.device,
        weights_hash: Callable[[], str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        channels, out = int(unet.config.in_channels), int(unet.config.out_channels)
        if channels != 3 or out not in (3, 6):
            raise CheckpointError(f"{name} maps {channels} channels to {out}; a model of RGB pictures maps 3 to 3 or 6")
        check_classes(unet, name)
        try:
            self.schedule = Schedule.from_config(scheduler_config)
        except ValueError as error:
            raise CheckpointError(f"the scheduler config of {name} cannot be used: {error}") from error
        self.name = name
        self.runtime: Runtime | None = None
        self.denoiser: nn.Module = unet
        self.device = device
        self.dtype: torch.dtype = compute_dtype(unet)
        self.channels = channels
        self.clip_sample = self.schedule.clip_sample
        self.multiple = 2 ** (len(unet.config.down_block_types) - 1)
        size = unet.config.sample_size
        self.native_size = 64 if size is None else int(size if isinstance(size, int) else min(size))
        self.defaults: Mapping[str, Any] = dict(defaults or {})
        self.remarks: tuple[str, ...] = scheduler_remarks(scheduler_config)
        self.settings: Mapping[str, Any] = {}
        self.control: ControlNet | None = None
        self.image_prompt: ImagePrompt | None = None
        self.hash_of_weights = live_hash(unet) if weights_hash is None else cache(weights_hash)

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the network's weights."""
        return self.hash_of_weights()

    def encode(self, image: Tensor, sample_noise: Tensor | None = None) -> Tensor:
        """Return the picture itself: x0 of a pixel model."""
        return image.to(self.device, torch.float32)

    def decode(self, x0: Tensor) -> Tensor:
        """Return x0 itself."""
        return x0.to(self.device, torch.float32)

    def embed(
        self,
        prompts: Sequence[str],
        size: tuple[int, int] | None = None,
        pieces: int | None = None,
        second: str | None = None,
    ) -> Conditioning:
        """Return conditioning without content: the network takes no words."""
        return Conditioning()

    def pieces(self, prompt: str) -> int:
        """Return 1: nothing is read."""
        return 1

    def read_picture(self, image: Tensor) -> Tensor:
        """Refuse: the network sees nothing but the noisy picture."""
        raise MethodError(f"{self.name} reads no picture beside the noise; use an instruction model")

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Tap] = ()
    ) -> Prediction:
        """Predict for ``x`` at one level, or at one level per row; ``variance`` is set when it was learned."""
        with attached(self.denoiser, taps):
            output = denoise(self.denoiser, x, timesteps(level, x.device), cond, self.runtime)
        return Prediction.from_output(self.schedule.prediction_type, output, x.to(output.dtype), level)

    def tokens(self, prompt: str) -> list[int]:
        """Raise MethodError: there are no tokens."""
        raise MethodError(f"{self.name} takes no text; use a latent model for what depends on words")

    def word_tokens(self, prompt: str, word: str) -> list[int]:
        """Raise MethodError: there are no tokens."""
        raise MethodError(f"{self.name} takes no text; use a latent model for what depends on words")

    def words_cut(self, prompt: str) -> str:
        """Return an empty string: nothing is read, so nothing is cut."""
        return ""
