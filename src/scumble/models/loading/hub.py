"""A model from the Hugging Face hub, or from what its client has kept of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch

from scumble.errors import CheckpointError
from scumble.models.loading.folder import PICKLES, VARIANTS, WEIGHTS, pickle_error, weight_files

__all__ = ["fetch", "is_hub_id"]

NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")
PARTS = ("scheduler", "tokenizer", "tokenizer_2", *NETWORKS)


def is_hub_id(source: str) -> bool:
    """Whether a text has the form ``owner/name``."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source) is not None


def fetch(repo: str, dtype: torch.dtype | None = None) -> Path:
    """Return the local folder of a hub model: as the hub's client has kept it, else downloaded, safetensors only.

    Where the hub has the weights in the precision ``dtype`` too, only those are downloaded.

    Raises:
        CheckpointError: If the model is not kept and cannot be fetched, or exists as pickles only.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    cached = _kept(repo)
    if cached is not None:
        return cached
    try:
        return Path(snapshot_download(repo, allow_patterns=_wanted(repo, dtype)))
    except CheckpointError:
        raise
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"the hub has no model {repo!r} that you may read; check the spelling, or log in with `hf auth login`"
        ) from error
    except Exception as error:  # whatever the hub's client raises, the user needs the way out
        if (part := _kept_as_pickle(repo)) is not None:
            raise pickle_error(f"{repo}/{part}, as it is kept from an earlier download,") from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{repo} is neither a folder here nor a model kept from an earlier download, and the hub cannot be asked"
            f" ({reason}); check the network, or give a folder or a .safetensors file"
        ) from error


def _kept(repo: str) -> Path | None:
    """Return the cached folder when it has every part that its index names."""
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(repo, local_files_only=True))
        index = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
        for part in PARTS:
            present = index.get(part, [None])[0] is not None
            if present and part in NETWORKS:
                weight_files(path / part, repo)
            elif present and not any((path / part).glob("*.json")):
                return None
    except (OSError, ValueError, CheckpointError):
        return None
    return path


def _kept_as_pickle(repo: str) -> str | None:
    """Return a part of the cached folder whose weights are there as pickles alone."""
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(repo, local_files_only=True))
    except (OSError, ValueError):
        return None
    for part in NETWORKS:
        names = [one.name for one in (path / part).glob("*")]
        if any(name.endswith(PICKLES) for name in names) and not any(WEIGHTS.match(name) for name in names):
            return part
    return None


def _wanted(repo: str, dtype: torch.dtype | None) -> list[str]:
    """Return the files of the repository that are needed: one set of weights per part."""
    from huggingface_hub import HfApi

    files = [sibling.rfilename for sibling in HfApi().model_info(repo, timeout=20).siblings or ()]
    if "model_index.json" not in files:
        raise CheckpointError(f"{repo} on the hub is no model in diffusers' format (no model_index.json)")
    weights = []
    for part in NETWORKS:
        inside = [file for file in files if file.startswith(f"{part}/")]
        variants = {file: match["variant"] for file in inside if (match := WEIGHTS.match(file.split("/", 1)[1]))}
        for one in (VARIANTS.get(dtype), None, "fp16"):
            chosen = [file for file, variant in variants.items() if variant == one]
            if chosen:
                break
        weights += chosen
        if not variants and any(file.endswith(PICKLES) for file in inside):
            raise pickle_error(f"{repo}/{part}")
    return ["model_index.json", *(f"{part}/*.{ext}" for part in PARTS for ext in ("json", "txt")), *weights]
