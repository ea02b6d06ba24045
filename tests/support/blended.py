"""Stand-ins for the blended methods' tests: a CLIP of given weights, and jobs on tiny models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

from scumble.core.noise import CounterNoise
from scumble.methods.batch import EditBatch
from scumble.methods.clip_scorer import clip_key
from scumble.models.base import Model
from scumble.models.clip import ClipScorer
from scumble.models.pixel import PixelModel

TINY_DDPM = Path(__file__).parents[1] / "reference" / "tiny-ddpm"


@cache
def tiny_ddpm(**scheduler: Any) -> PixelModel:
    """The pixel model with random weights that the reference cases were recorded on."""
    unet = UNet2DModel.from_pretrained(TINY_DDPM / "unet").eval().requires_grad_(False)
    config = json.loads((TINY_DDPM / "scheduler" / "scheduler_config.json").read_text())
    return PixelModel("tiny-ddpm", unet, {**config, **scheduler}, torch.device("cpu"))


class StubClip(ClipScorer):
    """The random encoder that the reference cases were recorded with: conv, tanh, linear; text of any prompt."""

    def __init__(self, w1: Tensor, b1: Tensor, w2: Tensor, text: Tensor, size: int = 28) -> None:
        model = nn.Linear(1, 1)
        model.config = SimpleNamespace(vision_config=SimpleNamespace(image_size=size))  # type: ignore[assignment]
        super().__init__(model, None, name="stub")
        self.w1, self.b1, self.w2, self.text = w1, b1, w2, text

    def project(self, pixels: Tensor) -> Tensor:
        return torch.tanh(F.conv2d(pixels, self.w1, self.b1, stride=4)).flatten(1) @ self.w2

    def tokens(self, squares: Tensor) -> Tensor:
        return F.conv2d(squares, self.w1, self.b1, stride=4).flatten(2).transpose(1, 2)

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        return F.normalize(self.text, dim=-1)


def recorded_clip(case: Any) -> StubClip:
    return StubClip(case["enc_W1"], case["enc_b1"], case["enc_W2"], case["text_embed"])


def random_clip(seed: int = 0) -> StubClip:
    g = torch.Generator().manual_seed(seed)
    w1, b1 = torch.randn(8, 3, 4, 4, generator=g) / 7, torch.randn(8, generator=g) / 7
    return StubClip(w1, b1, torch.randn(392, 16, generator=g) / 20, torch.randn(1, 16, generator=g))


def pixel_job(
    model: Model, seeds: tuple[int, ...] = (3,), mask: Tensor | None = None, size: int = 32, clip: Any = None
) -> EditBatch:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, size, size, generator=generator) * 2 - 1
    batch = EditBatch(model, CounterNoise(seeds), len(seeds), (size, size), image=image, change=mask)
    batch.cache.put(clip_key("clip"), clip or random_clip())
    return batch


def watched(model: Any, patch: Any) -> list[Tensor]:
    """Every tensor that the network is asked about from now on."""
    asked: list[Tensor] = []
    predict = model.predict
    patch.setattr(model, "predict", lambda x, *a, **k: (asked.append(x.detach().clone()), predict(x, *a, **k))[1])
    return asked


def box(size: int = 32, top: int = 8, bottom: int = 26, left: int = 6, right: int = 22) -> Tensor:
    mask = torch.zeros(1, 1, size, size)
    mask[..., top:bottom, left:right] = 1
    return mask


def tiny_clip(folder: Path, size: int = 32) -> None:
    """Save a random CLIP with a tokenizer and its preprocessing into a folder."""
    tokenizer = CLIPTokenizer.from_pretrained(TINY_DDPM.parent / "tiny-sd" / "tokenizer")
    common = {"num_attention_heads": 2, "projection_dim": 16, "num_hidden_layers": 2}
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {"vocab_size": len(tokenizer), "hidden_size": 24, "intermediate_size": 32, "max_position_embeddings": 32}
    vision = {"hidden_size": 24, "intermediate_size": 32, "image_size": size, "patch_size": 8}
    config = CLIPConfig(
        text_config={**text, **common, **ids, "pad_token_id": tokenizer.pad_token_id},
        vision_config={**vision, **common},
        projection_dim=16,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(config)
        for p in model.parameters():
            p.data.mul_(8 if p.dim() > 1 else 1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    sides = {"size": {"height": size, "width": size}, "do_resize": False, "do_center_crop": False}
    CLIPImageProcessor(**sides, image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4]).save_pretrained(folder)
