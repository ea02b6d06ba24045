"""A small autoencoder (TAESD) for previews: its decoder shows where an edit is going, and never makes the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from scumble.errors import CheckpointError, InputError
from scumble.models.base import Model
from scumble.models.checks import check_keys
from scumble.models.latent import LatentModel
from scumble.models.loading.configs import checked_config, guarded
from scumble.models.loading.folder import weight_files
from scumble.models.quiet import without_progress_bars, without_warnings
from scumble.models.vae import from_latent, latent_factor

__all__ = ["load_tiny", "use_preview_vae"]


def use_preview_vae(model: Model, path: Path) -> None:
    """Let previews of a model be decoded by the autoencoder in a folder.

    Raises:
        CheckpointError: If it is no ``AutoencoderTiny``, is damaged, or its latents are of another kind.
        InputError: If the model works on pixels.
    """
    if not isinstance(model, LatentModel):
        raise InputError(f"{model.name} works on pixels: its previews need no decoder (--preview-vae)")
    network = load_tiny(path, model.vae)

    def decode(x0: Tensor) -> Tensor:
        return from_latent(network, x0.to(network.device))

    model.decode_preview = decode


def load_tiny(path: Path, present: Any) -> Any:
    """Load an ``AutoencoderTiny`` for the latents of another autoencoder, on its device and in its precision.

    Raises:
        CheckpointError: If it is none, is damaged, or its latents are of another kind.
    """
    from diffusers import AutoencoderTiny

    def load() -> Any:
        config = checked_config(path / "config.json", f"{path.name} has no config")
        if config.get("_class_name") != "AutoencoderTiny":
            raise CheckpointError(
                f"{path.name} is a {config.get('_class_name')}; a small one is wanted (AutoencoderTiny, TAESD)"
            )
        with without_progress_bars(), without_warnings():
            network, info = AutoencoderTiny.from_pretrained(
                str(path), use_safetensors=True, local_files_only=True, output_loading_info=True,
                variant=weight_files(path, path.name)[1],
            )  # fmt: skip
        check_keys(info, path.name)
        return network

    network = guarded(f"the autoencoder {path.name}", load)
    kinds = [(one.config.latent_channels, latent_factor(one)) for one in (network, present)]
    if kinds[0] != kinds[1]:
        ours, own = (f"{channels} channels and {side} px a cell" for channels, side in kinds)
        raise CheckpointError(
            f"the autoencoder {path.name} has latents of {ours}, the model's own of {own}: it was made for another kind"
            " of checkpoint"
        )
    return network.to(present.device, present.dtype).eval().requires_grad_(False)
