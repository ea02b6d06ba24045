"""Another autoencoder in place of a checkpoint's own: a folder, or a file in diffusers' or the original layout."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scumble.errors import CheckpointError
from scumble.models.checks import check_keys
from scumble.models.loading.configs import checked_config, guarded
from scumble.models.loading.folder import weight_files
from scumble.models.loading.preview_vae import load_tiny
from scumble.models.loading.safetensors_file import keys_of, plain_name, tensors_of
from scumble.models.quiet import without_progress_bars

__all__ = ["load_vae", "vae_files"]


def vae_files(path: Path) -> list[Path]:
    """Return the weight files of an autoencoder: the file itself, or those of its folder (or of ``vae`` in it)."""
    if path.is_file():
        return [path]
    return weight_files(_folder(path), path.name)[0]


def load_vae(path: Path, present: Any) -> Any:
    """Load an autoencoder that is to take the place of ``present``, on its device and in its precision.

    Raises:
        CheckpointError: If it is none, is damaged, or its latents are of another kind.
    """
    from diffusers import AutoencoderKL

    if path.is_dir() and _config(path).get("_class_name") == "AutoencoderTiny":
        return load_tiny(_folder(path), present)

    if path.is_dir() and (kind := _config(path).get("_class_name", "AutoencoderKL")) != "AutoencoderKL":
        raise CheckpointError(
            f"{path.name} is a {kind}; the supported autoencoders are AutoencoderKL and AutoencoderTiny"
        )

    def load() -> Any:
        with without_progress_bars():
            if not path.is_dir():
                return _of_file(path, present)
            network, info = AutoencoderKL.from_pretrained(
                str(_folder(path)), use_safetensors=True, local_files_only=True, output_loading_info=True,
                variant=weight_files(_folder(path), path.name)[1],
            )  # fmt: skip
            check_keys(info, path.name)
            return network

    loaded = guarded(f"the autoencoder {path.name}", load)
    config, expected = loaded.config, present.config
    for name in ("latent_channels", "scaling_factor", "shift_factor"):
        if getattr(config, name, None) != getattr(expected, name, None):
            raise CheckpointError(
                f"the autoencoder {path.name} has another {name} ({getattr(config, name, None)}) than the model's own"
                f" ({getattr(expected, name, None)}): the network would not know its latents"
            )
    if len(config.block_out_channels) != len(expected.block_out_channels):
        raise CheckpointError(f"the autoencoder {path.name} makes latents of another size than the model's own")
    return loaded.to(present.device, present.dtype).eval().requires_grad_(False)


def _config(path: Path) -> Mapping[str, Any]:
    return guarded(
        f"the autoencoder {path.name}",
        lambda: checked_config(_folder(path) / "config.json", f"{path.name} has no config"),
    )


def _folder(path: Path) -> Path:
    return path / "vae" if (path / "vae").is_dir() else path


def _of_file(path: Path, present: Any) -> Any:
    from diffusers import AutoencoderKL

    keys = keys_of(path)
    if any(key.startswith(("encoder.down_blocks.", "decoder.up_blocks.")) for key in keys):
        loaded = AutoencoderKL.from_config(present.config)
        missing, foreign = loaded.load_state_dict(tensors_of(path), strict=False)
        check_keys({"missing_keys": missing, "unexpected_keys": foreign}, path.name)
        return loaded
    if not any("encoder.down." in key for key in keys):
        raise CheckpointError(
            f"{path.name} is no autoencoder (AutoencoderKL); give TAESD as a folder, others are not supported"
        )
    with tempfile.TemporaryDirectory() as folder, plain_name(path) as file:
        present.save_config(folder)
        return AutoencoderKL.from_single_file(str(file), config=folder, local_files_only=True)
