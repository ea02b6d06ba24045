"""Refuse checkpoints that would load silently and compute something else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scumble.errors import CheckpointError

__all__ = ["check_classes", "check_conditioning", "check_keys", "check_pipe", "check_tokenizer"]

PARTS_OF_OTHERS = {
    "controlnet": "a ControlNet, whose control picture would be ignored (give it: control_image=)",
    "adapter": "a T2I adapter, whose control picture would be ignored",
    "motion_adapter": "a motion adapter, which makes videos",
    "vqvae": "a vector-quantized autoencoder (LDMPipeline)",
    "depth_estimator": "a depth estimator, whose depth map would be ignored",
    "low_res_scheduler": "an upscaler's second picture, which would be missing",
    "prior": "a prior network, which would be ignored",
}
"""Components by which a pipeline shows that its U-Net is told more than words."""

IGNORABLE = ("position_ids", "num_batches_tracked")
"""Buffers of older library versions: they hold nothing that was trained."""


def check_pipe(pipe: Any, controlled: bool = False) -> None:
    """Refuse a pipeline whose network is told what would be left out here; its ControlNet only unless ``controlled``.

    Raises:
        CheckpointError: Naming the part.
    """
    kind = type(pipe).__name__
    for part, what in PARTS_OF_OTHERS.items():
        if getattr(pipe, part, None) is not None and not (controlled and part == "controlnet"):
            raise CheckpointError(
                f"this {kind} has {what}; give a StableDiffusionPipeline or StableDiffusionXLPipeline of its base model"
            )
    unet = getattr(pipe, "unet", None)
    refiner = getattr(getattr(pipe, "config", None), "requires_aesthetics_score", False)
    if unet is not None and refiner:
        raise CheckpointError(f"this {kind} is the refiner of SDXL; use the base model")


def check_classes(unet: Any, name: str) -> None:
    """Refuse a network that wants class labels.

    Raises:
        CheckpointError: If it does.
    """
    config = unet.config
    wanted = getattr(unet, "class_embedding", None) is not None
    if wanted or config.get("class_embed_type") or config.get("num_class_embeds"):
        raise CheckpointError(
            f"the network of {name} wants class labels or another class embedding; only networks told a time, and words"
            " at most, are supported"
        )


def check_conditioning(unet: Any, name: str, encoders: int, pooled: int | None) -> None:
    """Refuse a text-to-image U-Net that is told more than words, or less than these text encoders give.

    Args:
        unet: diffusers ``UNet2DConditionModel``.
        name: How the model is called.
        encoders: How many text encoders it has.
        pooled: Width of the pooled embedding of the last one, where it has a projection.

    Raises:
        CheckpointError: Naming what is missing.
    """
    config = unet.config
    check_classes(unet, name)
    if config.get("encoder_hid_dim_type") is not None or getattr(unet, "encoder_hid_proj", None) is not None:
        raise CheckpointError(
            f"the U-Net of {name} reads image prompts (IP-Adapter, {config.get('encoder_hid_dim_type')}), which would"
            " be ignored; call pipe.unload_ip_adapter() first, and give the adapter here (ip_adapter=, ip_image=)"
        )
    more = config.get("addition_embed_type")
    if more not in (None, "text_time"):
        raise CheckpointError(f"the U-Net of {name} wants {more} besides words, which is not supported")
    if more == "text_time":
        _check_text_time(config, name, encoders, pooled)
    channels = int(config.get("out_channels", 4))
    latent = getattr(getattr(unet, "conv_out", None), "out_channels", channels)
    if latent != channels:
        raise CheckpointError(f"the U-Net of {name} gives {latent} channels where its config says {channels}")


def _check_text_time(config: Any, name: str, encoders: int, pooled: int | None) -> None:
    wanted = config.get("projection_class_embeddings_input_dim")
    each = config.get("addition_time_embed_dim")
    if pooled is None:
        raise CheckpointError(
            f"the U-Net of {name} wants a pooled text embedding, but its {encoders} text encoder(s) give none; SDXL"
            " needs both of its encoders, its refiner is not supported"
        )
    if wanted is not None and each is not None and int(wanted) != pooled + 6 * int(each):
        raise CheckpointError(
            f"the U-Net of {name} wants {wanted} numbers of pooled text and sizes, SDXL's base gives"
            f" {pooled + 6 * int(each)}; its refiner is not supported, use the base model"
        )


def check_tokenizer(tokenizer: Any, network: Any, name: str) -> None:
    """Refuse a tokenizer that cannot tell words, or that has words which the text encoder does not know.

    Raises:
        CheckpointError: Saying which.
    """
    ids = [list(tokenizer(word, add_special_tokens=False).input_ids) for word in ("cat", "dog")]
    if not ids[0] or ids[0] == ids[1]:
        raise CheckpointError(
            f"the tokenizer of {name} has no vocabulary, so every prompt would read the same; its folder needs"
            " vocab.json and merges.txt, or tokenizer.json"
        )
    known = int(network.get_input_embeddings().num_embeddings)
    if len(tokenizer) > known and max(map(max, ids)) >= known:
        raise CheckpointError(
            f"the tokenizer of {name} has {len(tokenizer)} pieces, its text encoder knows {known}; they don't belong"
            " together"
        )


def check_keys(info: Any, what: str) -> None:
    """Refuse weights that leave layers at random, or that hold layers which the network does not have.

    Args:
        info: ``missing_keys`` and ``unexpected_keys``, as ``from_pretrained(output_loading_info=True)`` returns them.
        what: Which part of which model.

    Raises:
        CheckpointError: Naming the first of them.
    """
    missing, foreign = (_trained(info.get(f"{kind}_keys", ())) for kind in ("missing", "unexpected"))
    if missing:
        raise CheckpointError(
            f"{what} cannot be loaded: its weights lack {len(missing)} of the network's, which would be random"
            f" ({missing[0]}); it is incomplete, or belongs to another config"
        )
    if foreign:
        raise CheckpointError(
            f"{what} cannot be loaded: its weights hold {len(foreign)} that the network does not have"
            f" ({foreign[0]}); they belong to another config"
        )


def _trained(keys: Iterable[Any]) -> list[str]:
    return sorted(str(key) for key in keys if not str(key).endswith(IGNORABLE))
