"""The protocol of models: all that the rest of the library asks of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level, Schedule
from scumble.models.control import ControlNet
from scumble.models.image_prompt import ImagePrompt
from scumble.models.runtime.base import Runtime
from scumble.models.taps import Tap

__all__ = ["Model"]


class Model(Protocol):
    """A denoising network with all that is needed to go from a picture and words to it and back.

    Attributes:
        name: Bundled name, hub id, or the last part of a path; never a whole path.
        schedule: The noise levels that the checkpoint was trained on.
        clip_sample: Limit of a predicted x0, or None (always None for latent models).
        device: Where the network runs.
        dtype: In what precision the network runs; everything around it is float32.
        multiple: Sides of a picture must be multiples of this many pixels.
        native_size: Side in pixels of the pictures that the network was trained on.
        factor: Pixels per cell of ``x`` along a side (1 for pixel models).
        channels: Channels of ``x``.
        picture_channels: Channels of the picture that the network reads behind x: 0, or for instruction models x's.
        takes_text: Whether prompts have an effect.
        denoiser: The network itself, a diffusers class.
        defaults: Method fields and the values that this checkpoint wants where users set none (4 steps, …).
        settings: What was put on the checkpoint (LoRA, another VAE, …) as a recipe says it; nothing by default.
        remarks: What a user of this model should know, one line each: each result says it.
        control: What follows a control picture beside the network, or None.
        image_prompt: A picture that the network is told beside the words, or None.
        runtime: What answers in PyTorch's place where the network's output is all that is wanted; None: PyTorch.
    """

    name: str
    schedule: Schedule
    clip_sample: float | None
    device: torch.device
    dtype: torch.dtype
    multiple: int
    native_size: int
    factor: int
    channels: int
    picture_channels: int
    takes_text: bool
    denoiser: nn.Module
    defaults: Mapping[str, Any]
    settings: Mapping[str, Any]
    remarks: tuple[str, ...]
    control: ControlNet | None
    image_prompt: ImagePrompt | None
    runtime: Runtime | None

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the denoiser's weights (hexadecimal): of its files, or of its state when it has none."""
        ...

    def encode(self, image: Tensor, sample_noise: Tensor | None = None) -> Tensor:
        """Return ``x0`` (B, C, h, w) of a picture (B, 3, H, W) in [-1, 1].

        Deterministic (the mean of the encoder's posterior); with ``sample_noise`` of x0's shape, that sample of it.
        """
        ...

    def decode(self, x0: Tensor) -> Tensor:
        """Return the picture (B, 3, H, W) of ``x0``: float32, about [-1, 1], not clamped."""
        ...

    def embed(
        self,
        prompts: Sequence[str],
        size: tuple[int, int] | None = None,
        pieces: int | None = None,
        second: str | None = None,
    ) -> Conditioning:
        """Return float32 conditioning, a row per prompt.

        Args:
            prompts: The texts.
            size: (H, W) in pixels; matters to SDXL only.
            pieces: Least number of pieces, for rows that stand beside longer ones; None: what the longest needs.
            second: What the second encoder of SDXL reads; None: the same.
        """
        ...

    def pieces(self, prompt: str) -> int:
        """Return how many pieces of the text encoder's length a prompt has."""
        ...

    def read_picture(self, image: Tensor) -> Tensor:
        """Return the channels (B, P, h, w) by which an instruction network sees a picture (B, 3, H, W) in [-1, 1]."""
        ...

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Tap] = ()
    ) -> Prediction:
        """Predict for ``x`` (B, C, h, w) at one level, or at one level per row; float32 or better."""
        ...

    def tokens(self, prompt: str) -> list[int]:
        """Return the token ids that the network sees, first and last markers included, padding left out.

        A position in this list is a column of cross-attention.
        """
        ...

    def word_tokens(self, prompt: str, word: str) -> list[int]:
        """Return the positions in ``tokens(prompt)`` of every occurrence of a word (or phrase).

        Raises:
            InputError: If the prompt has no such word, or its place was cut.
        """
        ...

    def words_cut(self, prompt: str) -> str:
        """Return the end of the prompt that the text encoder cannot see, or an empty string."""
        ...
