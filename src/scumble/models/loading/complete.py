"""Check that a single file held all weights that its networks need, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scumble.errors import CheckpointError
from scumble.models.checks import IGNORABLE

__all__ = ["check_complete"]

CLIP = ("cond_stage_model.transformer.text_model.", "conditioner.embedders.0.transformer.text_model.")
"""Where files hold a text encoder under the names that transformers has for it."""
BESIDE = ("first_stage_model.loss.", "first_stage_model.model_ema.")
"""What files keep of the autoencoder's training."""


def check_complete(pipe: Any, keys: Sequence[str], name: str) -> None:
    """Refuse what diffusers' conversion leaves out, or leaves empty, without a word.

    U-Net and autoencoder have one tensor for each of the file's; the first text encoder has the same names.

    Args:
        pipe: The pipeline made of the file.
        keys: The names in the file.
        name: The file's.

    Raises:
        CheckpointError: Naming the part.
    """
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        network = getattr(pipe, part, None)
        empty = [] if network is None else [one for one, tensor in network.named_parameters() if tensor.is_meta]
        if empty:
            raise CheckpointError(f"{name} is incomplete: it lacks {len(empty)} weights of its {part} ({empty[0]})")
    for part, start in (("unet", "model.diffusion_model."), ("vae", "first_stage_model.")):
        given = sum(key.startswith(start) and not key.startswith(BESIDE) for key in keys)
        wanted = len(getattr(pipe, part).state_dict())
        if given != wanted:
            raise CheckpointError(
                f"{name} holds {given} weights of its {part}, the network has {wanted}: it belongs to another"
                " config, or is damaged"
            )
    known = {one.removeprefix("text_model.") for one in pipe.text_encoder.state_dict()}
    for start in CLIP:
        inside = (key.removeprefix(start) for key in keys if key.startswith(start))
        foreign = sorted(one for one in inside if one not in known and not one.endswith(IGNORABLE))
        if foreign:
            raise CheckpointError(
                f"{name} holds {len(foreign)} weights that its text encoder does not have ({foreign[0]}): it belongs to"
                " another config"
            )
