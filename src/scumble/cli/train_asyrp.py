"""``scumble train asyrp``: a direction of the bottleneck from a few pictures and two texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from scumble.errors import InputError
from scumble.files import READABLE_PICTURES

__all__ = ["asyrp"]


def asyrp(
    pictures: Path,
    *,
    source: str,
    target: str,
    output: Path,
    model: str | None = None,
    clip: str = "clip",
    steps: int = 20,
    epochs: int = 2,
    count: int = 20,
    t_edit: int | None = None,
    t_boost: int | None = None,
    rate: float | None = None,
    optimizer: Annotated[Literal["sgd", "adam"] | None, Parameter(name=("--optimizer", "--optimiser"))] = None,
    by: Literal["clip", "model"] = "clip",
    frames: tuple[str, ...] = ("{}",),
    far: float = 1.0,
    seed: int = 0,
) -> None:
    """Train a direction of the bottleneck (Asyrp).

    Parameters
    ----------
    pictures
        A folder of pictures that show what source says.
    source
        What they show, for example "a cube".
    target
        What they should show, for example "a sphere".
    output
        Where the direction goes (.safetensors, in half precision).
    model
        Bundled name, diffusers folder, .safetensors file or hub id; the bundled model by default.
    clip
        The CLIP that judges: clip (bundled), a transformers folder, or a hub id.
    steps
        Steps of a run.
    epochs
        Passes over the pictures.
    count
        Largest number of pictures used.
    t_edit
        The shift acts at timesteps from here on; found from the pictures when not given.
    t_boost
        Below this timestep noise is added when editing; found from the pictures when not given.
    rate
        Learning rate; 0.5 for sgd, 0.001 for adam.
    optimizer
        sgd, as published, or adam; by default sgd for clip and adam for model.
    by
        What teaches: clip, as published, or model, the text-to-image model's own change from source to target.
    frames
        Sentences round the two texts, for example "a {} cube"; several are averaged.
    far
        How far to follow the model's own change.
    seed
        Of the network's first weights.
    """
    if output.suffix != ".safetensors" or not output.parent.is_dir():
        raise InputError(f"a direction is saved as NAME.safetensors in a folder that exists, not as {output}")
    paths = sorted(p for p in pictures.glob("*") if p.suffix.lower() in READABLE_PICTURES)[:count]
    if not paths:
        raise InputError(f"{pictures} holds no pictures ({', '.join(READABLE_PICTURES)}): give a folder with some")
    # the help and what is wrong with the words wait for no torch
    import torch

    from scumble.methods.asyrp.direction import DirectionInfo
    from scumble.methods.asyrp.from_clip import train_direction
    from scumble.methods.asyrp.from_model import teach_direction
    from scumble.models.clip import ClipScorer
    from scumble.models.loading import load

    loaded = load(model)
    about = DirectionInfo(
        source, target, t_edit if t_edit is not None else -1, t_boost if t_boost is not None else -1, steps
    )
    optimizer = optimizer or ("sgd" if by == "clip" else "adam")
    rate = rate if rate is not None else (0.5 if optimizer == "sgd" else 1e-3)
    kind: dict[str, Any] = {"epochs": epochs, "rate": rate, "optimizer": optimizer, "seed": seed, "frames": frames}
    if by == "clip":
        scorer = ClipScorer.load(clip, loaded.device)
        direction = train_direction(loaded, scorer, paths, about, **kind, say=print)
    else:
        direction = teach_direction(loaded, paths, about, far=far, **kind, say=print)
    print(direction.save(output, torch.float16))
