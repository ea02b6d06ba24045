"""A model by name: bundled, a folder, one file, a hub id, or an existing pipeline."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, cast

import torch

from scumble.core.traits_of_sampling import Offload
from scumble.errors import CheckpointError, nearest
from scumble.models.add_ons import AddOns
from scumble.models.base import Model
from scumble.models.latent import LatentModel
from scumble.models.loading.folder import PICKLES, load_folder
from scumble.models.loading.hub import fetch, is_hub_id
from scumble.models.loading.offload import check_offload
from scumble.models.loading.offload import offload as put_aside
from scumble.models.loading.pipe import model_of_pipe
from scumble.models.loading.placement import parse_device, parse_dtype
from scumble.models.loading.single_file import load_single_file
from scumble.models.pixel import PixelModel

__all__ = ["BUNDLED", "from_pipe", "load"]

BUNDLED = ("still-life", "still-life-fast", "still-life-instruct", "still-life-pixel")
"""Names of the models inside the package; the first is the default."""


def load(
    source: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    config: str | Path | None = None,
    add_ons: AddOns | None = None,
    offload: str | None = None,
) -> Model:
    """Load a model, and put on it what is wanted.

    Args:
        source: A bundled name (None: the first of ``BUNDLED``), a folder in diffusers' format, one ``.safetensors``
            file, or a hub id ``owner/name``. What exists on disk is preferred to a hub id of the same spelling.
        device: ``cpu``, ``cuda``, ``cuda:N``, ``mps``; ``auto`` (also None) takes the fastest there is.
        dtype: ``float32`` (also None), ``float16``, ``bfloat16`` or ``auto``: the precision of the networks.
        config: For a single file: a folder in diffusers' format whose configs and vocabulary are its own.
        add_ons: LoRA files and what else is put on it.
        offload: ``sequential`` or ``model``: networks stay in main memory while they are not at work.

    Raises:
        CheckpointError: If there is no such model, or it cannot or must not be loaded.
        InputError: If the device or the precision does not exist here.
    """
    place = parse_device(device)
    check_offload(offload, place)
    model = _load(source, place if offload is None else torch.device("cpu"), parse_dtype(dtype, place), config)
    if add_ons:
        from scumble.models.loading.put_on import put_on

        put_on(model, add_ons)
    if offload is not None:
        put_aside(model, cast("Offload", offload), place)
    return model


def _load(
    source: str | Path | None, place: torch.device, precision: torch.dtype, config: str | Path | None
) -> LatentModel | PixelModel:
    if config is not None and not (Path(config).expanduser() / "model_index.json").is_file():
        raise CheckpointError(f"--config {Path(config).name!r} is no model folder in diffusers' format")
    if source is None or str(source) in BUNDLED:
        return _bundled(str(source or BUNDLED[0]), place, precision)
    path = Path(source).expanduser()
    if path.is_dir():
        return load_folder(path, path.resolve().name, place, precision)
    if path.is_file():
        return load_single_file(path, place, precision, None if config is None else Path(config).expanduser())
    text = str(source)
    if isinstance(source, str) and is_hub_id(text) and not text.lower().endswith((*PICKLES, ".safetensors")):
        return load_folder(fetch(text, precision), text, place, precision)
    raise CheckpointError(
        f"there is no model {text!r}{nearest(text, BUNDLED)}; give {' or '.join(BUNDLED)}, a folder in diffusers'"
        " format, a .safetensors file, or a hub id owner/name"
    )


def from_pipe(pipe: Any, add_ons: AddOns | None = None) -> Model:
    """Return a model around a diffusers pipeline (Stable Diffusion 1.x, 2.x, XL, DDPM); weights are shared, not copied.

    Args:
        pipe: The pipeline; one with a ControlNet needs a control image among the add-ons.
        add_ons: What is put on the model and leaves the pipeline's networks as they are.

    Raises:
        CheckpointError: If the pipeline is of another kind.
        InputError: If an add-on would change the pipeline's networks.
    """
    model = model_of_pipe(pipe, controlled=add_ons is not None and add_ons.control_image is not None)
    if add_ons:
        from scumble.models.loading.put_on import put_on

        put_on(model, add_ons, pipe)
    return model


def _bundled(name: str, device: torch.device, dtype: torch.dtype) -> LatentModel | PixelModel:
    with as_file(files("scumble") / "bundled" / name) as path:
        if not (path / "model_index.json").is_file():
            raise CheckpointError(f"the bundled model {name} is missing from this installation; install Scumble again")
        return load_folder(path, name, device, dtype)
