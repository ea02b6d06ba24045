"""Words learned for a model (textual inversion, arXiv 2208.01618): one vector or several per word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scumble.errors import CheckpointError
from scumble.models.latent import LatentModel
from scumble.models.loading.safetensors_file import tensors_of

__all__ = ["add_words"]

PARTS = (("clip_l", "text_encoders_0"), ("clip_g", "text_encoders_1"))
"""What files for SDXL call the vectors of its two encoders."""


MOST_VECTORS = 75
"""Of one word: more than a prompt has places for."""


def add_words(model: LatentModel, file: Path) -> None:
    """Add the word of a file to tokenizers and text encoders; a prompt then names it, ``<name>`` or the file's name.

    Raises:
        CheckpointError: If the file holds no learned word, the word exists, or the vectors don't fit.
    """
    state = tensors_of(file)
    encoders = model.text.encoders
    name, vectors = _read(state, file, len(encoders))
    for encoder, given in zip(encoders, vectors, strict=True):
        _add(encoder.tokenizer, encoder.network, name, given, f"{file.name} does not fit {model.name}")


def _read(state: dict[str, Tensor], file: Path, encoders: int) -> tuple[str, list[Tensor]]:
    if encoders == 2:
        vectors = [next((state[key] for key in keys if key in state), None) for keys in PARTS]
        if any(one is None for one in vectors):
            raise CheckpointError(f"{file.name} holds no words for both encoders of SDXL (clip_l and clip_g)")
        return file.stem, [torch.atleast_2d(one) for one in vectors if one is not None]
    if "emb_params" in state:
        return file.stem, [torch.atleast_2d(state["emb_params"])]
    if len(state) != 1:
        raise CheckpointError(f"{file.name} holds {len(state)} tensors; a learned word is one tensor with its name")
    (name, vector), *_ = state.items()
    return name, [torch.atleast_2d(vector)]


def _add(tokenizer: Any, network: Any, name: str, vectors: Tensor, what: str) -> None:
    table = network.get_input_embeddings().weight
    if not vectors.is_floating_point() or not bool(vectors.float().isfinite().all()):
        raise CheckpointError(f"{what}: its vectors are not finite numbers ({str(vectors.dtype).split('.')[-1]})")
    if not name.strip() or not 1 <= len(vectors) <= MOST_VECTORS:
        raise CheckpointError(f"{what}: {len(vectors)} vectors for the word {name[:40]!r}")
    if vectors.dim() != 2 or vectors.shape[1] != table.shape[1]:
        raise CheckpointError(f"{what}: vectors of width {vectors.shape[-1]}, its text encoder has {table.shape[1]}")
    names = [name, *(f"{name}_{k}" for k in range(1, len(vectors)))]
    known = tokenizer.get_vocab()
    if any(one in known for one in names):
        raise CheckpointError(f"{what}: the word {name!r} exists; rename the file or its word")
    tokenizer.add_tokens(names)
    network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    weights = network.get_input_embeddings().weight
    with torch.no_grad():
        for one, vector in zip(names, vectors, strict=True):
            weights[tokenizer.convert_tokens_to_ids(one)] = vector.to(weights)
    network.requires_grad_(False)
