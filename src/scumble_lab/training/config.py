"""What is trained, how large and for how long: one preset per kind of machine, the same code for both."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from scumble.errors import InputError, nearest

__all__ = [
    "SIZES",
    "ClassifierConfig",
    "ClipConfig",
    "FastConfig",
    "InstructConfig",
    "LatentConfig",
    "PixelConfig",
    "Schedule",
    "Size",
    "VaeConfig",
    "preset",
]

SizeName = Literal["cpu", "gpu"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(_Frozen):
    """How one model is trained: how long, how fast, and how often it says and saves something."""

    minutes: float = Field(gt=0, description="training time; a resumed run counts what it has already used")
    batch: int = Field(gt=0, description="of all processes together")
    learning_rate: float = Field(gt=0)
    decay_from: float = Field(0.0, ge=0, le=1, description="share of the run after which the rate falls to zero")
    warmup: int = Field(100, ge=1, description="steps until the full learning rate")
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    ema: float = Field(0.999, ge=0, lt=1)
    seed: int = 0
    steps: int | None = Field(None, description="stop after so many steps instead of so many minutes")
    save_minutes: float = 2.5
    validate_minutes: float = 4.0


class VaeConfig(_Frozen):
    """`AutoencoderKL`, four times smaller each way, for the latent U-Net."""

    channels: tuple[int, ...] = (32, 64, 96)
    latent_channels: int = 4
    kl_weight: float = 2e-4
    crop_until: float = Field(0.3, description="share of the run on half-size crops")
    schedule: Schedule


class ClipConfig(_Frozen):
    """`CLIPModel`: a text tower and a vision tower with one common space."""

    text_width: int
    text_layers: int
    vision_width: int
    vision_layers: int
    patch: int
    heads: int = 4
    projection: int = 96
    negatives: int = Field(4, description="captions per picture that differ from it in one word")
    pairs: float = Field(0.5, description="share of a batch that are pairs of pictures differing in one attribute")
    attribute_weight: float = Field(2.0, description="weight of the attribute heads used in training only")
    schedule: Schedule


class ClassifierConfig(_Frozen):
    """A small CNN that reads the attributes of up to three objects, the floor and the sky."""

    channels: tuple[int, ...] = (32, 64, 96, 128)
    schedule: Schedule


class LatentConfig(_Frozen):
    """`UNet2DConditionModel` on the autoencoder's latents, trained jointly with the text encoder."""

    channels: tuple[int, ...]
    attention: tuple[bool, ...] = Field(description="per level: cross- and self-attention or none")
    layers_per_block: int = 1
    heads: int = 2
    caption_dropout: float = 0.1
    text_rate: float = Field(0.3, description="learning rate of the text encoder relative to the U-Net's")
    snr_limit: float = Field(5.0, description="gamma of min-SNR weighting, arXiv 2303.09556")
    schedule: Schedule


class FastConfig(_Frozen):
    """The latent U-Net distilled to four steps; its shape is its teacher's."""

    guidance: float = Field(4.0, description="guidance of the teacher, which the student has baked in")
    substeps: int = Field(4, ge=1, description="DDIM steps of the teacher for one of the student")
    caption_dropout: float = 0.1
    snr_limit: float = 5.0
    schedule: Schedule


class InstructConfig(_Frozen):
    """The latent U-Net with a picture beside the noise; its shape is its teacher's."""

    pairs: int = Field(description="pictures before and after an edit")
    held_out: int = Field(256, description="the last pairs, never trained on")
    word_rate: float = Field(1.0, description="learning rate of new words' embeddings relative to the U-Net's")
    dropout: float = Field(0.05, description="share of samples without words, without picture, without both: each")
    focus: float = Field(8.0, description="how much more a cell counts that the edit changes")
    snr_limit: float = 5.0
    schedule: Schedule


class PixelConfig(_Frozen):
    """`UNet2DModel`, unconditional, directly on pixels."""

    channels: tuple[int, ...]
    attention: tuple[bool, ...]
    layers_per_block: int = 1
    head_dim: int = 48
    prediction: Literal["epsilon", "v_prediction"] = "v_prediction"
    schedule: Schedule


class Size(_Frozen):
    """Everything that is trained on one kind of machine."""

    name: SizeName
    picture: int
    scenes: int
    held_out: int = Field(256, description="the last scenes of the cache, never trained on")
    device: str
    bf16: bool = True
    render_batch: int
    vae: VaeConfig
    clip: ClipConfig
    judge: ClipConfig
    classifier: ClassifierConfig
    latent: LatentConfig
    fast: FastConfig
    instruct: InstructConfig
    pixel: PixelConfig


CPU = Size(
    name="cpu",
    picture=64,
    scenes=25600,
    device="cpu",
    render_batch=32,
    vae=VaeConfig(
        schedule=Schedule(minutes=35, batch=8, learning_rate=1.5e-3, weight_decay=1e-4, ema=0.998, seed=11)
    ),
    clip=ClipConfig(
        text_width=128, text_layers=3, vision_width=160, vision_layers=4, patch=8,
        schedule=Schedule(
            minutes=60, batch=48, learning_rate=1e-3, weight_decay=0.02, betas=(0.9, 0.98), decay_from=0.4, seed=21
        ),
    ),
    judge=ClipConfig(
        text_width=96, text_layers=2, vision_width=112, vision_layers=5, patch=8,
        schedule=Schedule(
            minutes=40, batch=48, learning_rate=1e-3, weight_decay=0.02, betas=(0.9, 0.98), decay_from=0.4, seed=92
        ),
    ),
    classifier=ClassifierConfig(
        channels=(24, 40, 64, 96), schedule=Schedule(minutes=4, batch=64, learning_rate=2e-3, seed=31)
    ),
    latent=LatentConfig(
        channels=(80, 160), attention=(True, True),
        schedule=Schedule(
            minutes=75, batch=16, learning_rate=8e-4, warmup=200, decay_from=0.5, ema=0.999, seed=41
        ),
    ),
    fast=FastConfig(
        schedule=Schedule(minutes=50, batch=8, learning_rate=2e-4, decay_from=0.3, ema=0.999, seed=61)
    ),
    instruct=InstructConfig(
        pairs=10_240,
        schedule=Schedule(
            minutes=90, batch=16, learning_rate=5e-4, warmup=200, decay_from=0.4, ema=0.999, seed=71
        ),
    ),
    pixel=PixelConfig(
        channels=(32, 64, 128, 192), attention=(False, False, True, True), head_dim=64,
        schedule=Schedule(minutes=120, batch=16, learning_rate=1e-3, decay_from=0.5, ema=0.9995, seed=51),
    ),
)  # fmt: skip

GPU = Size(
    name="gpu",
    picture=128,
    scenes=100_000,
    device="cuda",
    render_batch=256,
    vae=VaeConfig(
        channels=(48, 96, 192),
        schedule=Schedule(minutes=6, batch=96, learning_rate=1e-3, weight_decay=1e-4, ema=0.999, seed=11),
    ),
    clip=ClipConfig(
        text_width=128, text_layers=3, vision_width=192, vision_layers=5, patch=16, projection=128,
        schedule=Schedule(minutes=2, batch=512, learning_rate=1e-3, weight_decay=0.02, betas=(0.9, 0.98), seed=21),
    ),
    judge=ClipConfig(
        text_width=96, text_layers=3, vision_width=160, vision_layers=6, patch=16, projection=128,
        schedule=Schedule(minutes=2, batch=512, learning_rate=1e-3, weight_decay=0.02, betas=(0.9, 0.98), seed=92),
    ),
    classifier=ClassifierConfig(schedule=Schedule(minutes=1.5, batch=256, learning_rate=2e-3, seed=31)),
    latent=LatentConfig(
        channels=(64, 128, 256), attention=(False, True, True), heads=4,
        schedule=Schedule(
            minutes=12, batch=512, learning_rate=1.2e-3, warmup=300, decay_from=0.5, ema=0.9995, seed=41,
        ),
    ),
    fast=FastConfig(schedule=Schedule(minutes=8, batch=128, learning_rate=3e-4, decay_from=0.3, ema=0.999, seed=61)),
    instruct=InstructConfig(
        pairs=65_536,
        schedule=Schedule(minutes=12, batch=512, learning_rate=8e-4, warmup=300, decay_from=0.4, ema=0.9995, seed=71),
    ),
    pixel=PixelConfig(
        channels=(32, 64, 128, 192, 192), attention=(False, False, False, True, True), head_dim=64,
        schedule=Schedule(minutes=4, batch=128, learning_rate=8e-4, decay_from=0.5, ema=0.999, seed=51),
    ),
)  # fmt: skip

SIZES: dict[str, Size] = {"cpu": CPU, "gpu": GPU}


def preset(name: str) -> Size:
    """The preset of that name.

    Raises:
        InputError: if there is none.
    """
    if name not in SIZES:
        raise InputError(f"unknown size {name!r}{nearest(name, SIZES)}: known are {', '.join(SIZES)}")
    return SIZES[name]
