"""Every method once, with settings that take a moment on the tiny networks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image

from scumble.editing.editor import Editor
from scumble.methods.asyrp.direction import Direction, DirectionInfo
from scumble.methods.method import Method
from scumble.methods.registry import method_class
from scumble.models.base import Model
from scumble.models.loading import from_pipe
from tests.support.blended import tiny_ddpm
from tests.support.tiny import make_text_encoder, make_tokenizer, make_unet, make_vae

__all__ = ["ALL", "FROM_SEED", "editor_for", "short", "soft_map", "write_direction"]

WORDS: dict[str, Any] = {"prompt": "a photo of a dog", "num_inference_steps": 3}
KNOWN: dict[str, Any] = {**WORDS, "source_prompt": "a photo of a cat"}
DRAG: dict[str, Any] = {"points": ((20, 30, 32, 30),), "num_inference_steps": 3, "iterations": 2}
CLIP: dict[str, Any] = {"prompt": "a dog", "num_inference_steps": 4, "augmentations": 2}

ALL: dict[str, dict[str, Any]] = {
    "text-to-image": WORDS,
    "sdedit": {**WORDS, "eta": 1.0},
    "differential-diffusion": {**WORDS, "eta": 1.0},
    "ddpm-inversion": KNOWN,
    "ddim-inversion": KNOWN,
    "cycle-diffusion": KNOWN,
    "ledits": {**KNOWN, "masks": "both"},
    "blended-diffusion": CLIP,
    "local-clip-guided-diffusion": CLIP,
    "blended-latent-diffusion": WORDS,
    "paint-by-word": {"prompt": "a dog", "iterations": 2, "augmentations": 2},
    "prompt-to-prompt": KNOWN,
    "plug-and-play": KNOWN,
    "drag-noise": DRAG,
    "drag-diffusion": DRAG,
    "warp-drag": {"points": DRAG["points"], "num_inference_steps": 4},
    "self-guidance": {**WORDS, "move": {"dog": (0.2, 0.0)}, "trajectory": "edit-friendly"},
    "pix2pix-zero": {**KNOWN, "rounds": 1},
    "asyrp": {"prompt": "a photo of a cat", "num_inference_steps": 4, "t_boost": 900},
    "diffuseit": {**CLIP, "source_prompt": "a cat"},
    "instruct": WORDS,
}
"""Method name -> fields."""

FROM_SEED = ("text-to-image",)
PIXELS = ("blended-diffusion", "local-clip-guided-diffusion")


def write_direction(folder: Path, model: Model) -> Path:
    """A direction of the bottleneck with drawn shifts."""
    denoiser: Any = model.denoiser
    shift = torch.randn(1, denoiser.config.block_out_channels[-1], 1, 1, generator=torch.Generator().manual_seed(0))
    info = DirectionInfo(t_edit=400, t_boost=150, steps=5, model=model.name, model_sha256=model.weights_hash)
    return Direction(info, None, {-1: shift}).save(folder / "shift.safetensors")


def short(name: str, folder: Path, model: Model, **more: Any) -> Method:
    """A method with short settings; files that it needs are written into the folder."""
    fields = {**ALL[name], **more}
    if name == "asyrp":
        fields["directions"] = (str(write_direction(folder, model)),)
    built: Method = method_class(name)(**fields)
    return built


@cache
def tiny_instruct() -> Model:
    """A model that edits by instruction, with random weights."""
    from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline

    with TemporaryDirectory() as folder, torch.random.fork_rng():
        torch.manual_seed(3)
        tokenizer = make_tokenizer(Path(folder))
        schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
        pipe = StableDiffusionInstructPix2PixPipeline(
            vae=make_vae(),
            text_encoder=make_text_encoder(tokenizer, 16),
            tokenizer=tokenizer,
            unet=make_unet(in_channels=8),
            scheduler=DDIMScheduler(**schedule, steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return from_pipe(pipe)


def editor_for(name: str, tiny_sd: Model) -> Editor:
    """An editor with the tiny network on which the method works."""
    if name == "instruct":
        return Editor(tiny_instruct(), cache=False)
    return Editor(tiny_ddpm() if name in PIXELS else tiny_sd, cache=False)


def soft_map() -> Image.Image:
    """A ramp from black to white, 64 x 64."""
    return Image.linear_gradient("L").resize((64, 64)).rotate(90)
