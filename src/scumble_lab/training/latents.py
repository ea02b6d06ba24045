"""The whole cache as latents, encoded once; encoded again when the autoencoder or the pictures change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from scumble.files import atomic_write
from scumble.hashing import state_sha256
from scumble_lab.training.accelerator import has_bf16
from scumble_lab.training.run_folder import RunFolder, load_average
from scumble_lab.training.storage import disk_errors
from scumble_lab.training.vae import build_vae, whiten

__all__ = ["encoded_world", "finished_vae"]

_WHITENED_ON = 1024


def finished_vae(shop: RunFolder) -> AutoencoderKL:
    """The trained autoencoder, averaged weights, latents whitened, in eval mode on the size's device.

    Raises:
        CheckpointError: if none was trained yet.
    """
    vae = build_vae(shop.size.vae, shop.size.picture)
    load_average(shop.checkpoint("vae"), "vae", vae)
    vae = vae.to(shop.size.device)
    world = shop.world(quiet=True)
    return whiten(vae, world.batch(torch.arange(min(_WHITENED_ON, world.trained)), shop.size.device))


def encoded_world(shop: RunFolder, vae: AutoencoderKL) -> Tensor:
    """Mean and standard deviation of every picture's latent, scaled to unit variance: (N, 2, C, h, w) fp16."""
    key = {
        "vae": state_sha256(vae)[:16],
        "scenes": shop.size.scenes,
        "picture": shop.size.picture,
    }
    folder = shop.folder("latents")
    path, mark = folder / "latents.npy", folder / "complete.json"
    if not _matches(mark, path, key):
        with disk_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            mark.unlink(missing_ok=True)
            with atomic_write(path) as unfinished, unfinished.open("wb") as file:
                np.save(file, _encode(shop, vae).numpy())
            with atomic_write(mark) as unfinished:
                unfinished.write_text(json.dumps({**key, "bytes": path.stat().st_size}))
    return torch.from_numpy(np.load(path))


@torch.no_grad()
def _encode(shop: RunFolder, vae: AutoencoderKL) -> Tensor:
    world, scale = shop.world(quiet=True), vae.config.scaling_factor
    parts = []
    for index in torch.arange(len(world.scenes)).split(64):
        with torch.autocast(shop.size.device, torch.bfloat16, enabled=shop.size.bf16 and has_bf16(shop.size.device)):
            posterior = vae.encode(world.batch(index, shop.size.device)).latent_dist
        both = torch.stack([posterior.mean.float(), posterior.std.float()], dim=1)
        parts.append((both * scale).half().cpu())
    return torch.cat(parts)


def _matches(mark: Path, path: Path, key: dict[str, object]) -> bool:
    try:
        return bool(json.loads(mark.read_text()) == {**key, "bytes": path.stat().st_size})
    except (OSError, ValueError):
        return False
