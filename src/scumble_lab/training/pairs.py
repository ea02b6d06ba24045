"""Pictures before and after a true edit, as latents, with what was asked for; made in shards, each written whole."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from scumble.hashing import state_sha256
from scumble_lab.training.data import draw_scenes
from scumble_lab.training.storage import disk_errors
from scumble_lab.training.tokenizer import build_tokenizer, token_ids
from scumble_lab.world import Scene, render
from scumble_lab.world.instructions import sample_instruction, undoing

__all__ = ["SHARD", "WORDINGS", "Pair", "Pairs", "draw_pairs", "make_shard", "open_pairs"]

SHARD = 512
"""Pairs in one file, at most."""

WORDINGS = 6
"""Instructions for one pair."""

_LAYOUT = 1  # raise when what a shard holds changes


@dataclass(frozen=True)
class Pairs:
    """Edits with their true results.

    Attributes:
        before: Latents of the pictures before, unit variance (N, C, h, w) fp16: the posterior's mean.
        after: Those of the true results.
        ids: Token ids of the instructions (N, WORDINGS, L).
        ids_back: Token ids of the instructions that lead back: every pair is two edits.
        held_out: The last pairs, never trained on.
    """

    before: Tensor
    after: Tensor
    ids: Tensor
    ids_back: Tensor
    held_out: int

    @property
    def trained(self) -> int:
        """How many pairs may be trained on; they come first."""
        return len(self.before) - self.held_out


@dataclass(frozen=True)
class Pair:
    """Scenes before and after an edit, with the instructions there and back."""

    before: Scene
    after: Scene
    kind: str
    texts: tuple[str, ...]
    texts_back: tuple[str, ...]


def draw_pairs(shard: int, seed: int, count: int = SHARD) -> list[Pair]:
    """The pairs of one shard, a function of these numbers alone."""
    drawn = []
    for number, scene in enumerate(draw_scenes(count, seed * 100_003 + shard)):
        rng = random.Random(f"{seed}/{shard}/{number}/edit")
        kind, after, texts = sample_instruction(scene, rng, WORDINGS)
        drawn.append(Pair(scene, after, kind, texts, undoing(scene, after, kind, rng, WORDINGS)))
    return drawn


@torch.no_grad()
def make_shard(path: Path, shard: int, seed: int, vae: AutoencoderKL, picture: int, count: int = SHARD) -> None:
    """Render, encode and write one shard."""
    drawn, device = draw_pairs(shard, seed, count), next(vae.parameters()).device
    tensors = {
        "before": _encoded([pair.before for pair in drawn], vae, picture, device),
        "after": _encoded([pair.after for pair in drawn], vae, picture, device),
        "ids": _read([pair.texts for pair in drawn]),
        "ids_back": _read([pair.texts_back for pair in drawn]),
    }
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial)
        partial.replace(path)


def _encoded(scenes: Sequence[Scene], vae: AutoencoderKL, picture: int, device: torch.device) -> Tensor:
    """Means of the scenes' latents, scaled to unit variance (N, C, h, w) fp16."""
    parts = []
    for start in range(0, len(scenes), 32):
        images = render(scenes[start : start + 32], picture, device=device).float().div(127.5).sub(1.0)
        posterior = vae.encode(images.contiguous(memory_format=torch.channels_last)).latent_dist
        parts.append((posterior.mean * vae.config.scaling_factor).half().cpu().contiguous())
    return torch.cat(parts)


def _read(texts: Sequence[Sequence[str]]) -> Tensor:
    """Token ids (N, WORDINGS, L) int32."""
    ids = token_ids(build_tokenizer(), [text for wordings in texts for text in wordings])
    return ids.view(len(texts), -1, ids.shape[-1]).to(torch.int32)


def open_pairs(root: Path, count: int, held_out: int, seed: int, vae: AutoencoderKL, picture: int) -> Pairs:
    """Open ``count`` pairs below ``root``, in whole shards, making those that are missing."""
    each = min(SHARD, count)
    folder = root / f"pairs-{picture}px-{each}each-layout{_LAYOUT}-seed{seed}-{state_sha256(vae)[:12]}"
    shards = []
    for shard in range(count // each):
        path = folder / f"{shard:04d}.safetensors"
        if not path.exists():
            make_shard(path, shard, seed, vae, picture, each)
        shards.append(load_file(path))
    joined = {key: torch.cat([shard[key] for shard in shards]) for key in shards[0]}
    ids, ids_back = (joined[key].long() for key in ("ids", "ids_back"))
    return Pairs(joined["before"], joined["after"], ids, ids_back, held_out)
