"""``scumble train asyrp``: a direction of the bottleneck from a few pictures and two texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from cyclopts import Parameter

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.guidance import Guidance
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.errors import InputError, MethodError
from scumble.files import READABLE_PICTURES
from scumble.images import fit, load_image, to_tensor
from scumble.inversion.ddim import ddim
from scumble.methods.asyrp.direction import Direction, DirectionInfo
from scumble.methods.asyrp.distillation import DistillationLoss
from scumble.methods.asyrp.interval import OTHER_BOOST, OTHER_EDIT, distance_tables, smallest_time
from scumble.methods.asyrp.training import train
from scumble.methods.asyrp.training_loss import DirectionLoss, Loss
from scumble.methods.asyrp.trajectory import SourceTrajectory, origin_of
from scumble.methods.asyrp.words_direction import similarity, words_direction
from scumble.methods.batch import EditBatch
from scumble.models.base import Model
from scumble.models.clip import ClipScorer, squared

__all__ = ["asyrp", "teach_direction", "train_direction"]

TAUGHT_EDIT = 400
"""Timestep down to which a taught shift acts, unless one is given."""


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
        What they shall show, for example "a sphere".
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
        Use at most so many of them.
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
    from scumble.models.loading import load

    if output.suffix != ".safetensors" or not output.parent.is_dir():
        raise InputError(f"a direction is saved as NAME.safetensors in a folder that exists, not as {output}")
    paths = sorted(p for p in pictures.glob("*") if p.suffix.lower() in READABLE_PICTURES)[:count]
    if not paths:
        raise InputError(f"{pictures} holds no pictures ({', '.join(READABLE_PICTURES)}): give a folder with some")
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


def train_direction(
    model: Model,
    scorer: ClipScorer,
    pictures: Sequence[Path],
    about: DirectionInfo,
    epochs: int = 2,
    rate: float = 0.5,
    optimizer: Literal["sgd", "adam"] = "sgd",
    seed: int = 0,
    frames: Sequence[str] = ("{}",),
    say: Callable[[str], None] | None = None,
) -> Direction:
    """Invert the pictures, find where the shift is to act unless that is given (-1: find it), and train.

    Args:
        model: Frozen.
        scorer: The CLIP that judges.
        pictures: Their files.
        about: Texts, steps, and the interval.
        epochs: Passes over the pictures.
        rate: Learning rate.
        optimizer: sgd or adam.
        seed: Of the first weights.
        frames: Sentence frames around the texts.
        say: Called with a line of text every so often.
    """
    say = say or (lambda line: None)
    ctx, cond, images, paths = _inverted(model, pictures, about.steps, say)
    cosine = similarity(scorer.text_features, about.source, about.target)
    if about.t_edit < 0 or about.t_boost < 0:
        about = _interval(model, scorer, ctx, paths, cond, about, cosine)
        say(f"the shift acts from t {about.t_edit} on, noise is added below t {about.t_boost}")

    def features(picture: torch.Tensor) -> torch.Tensor:
        return scorer.encode(squared(picture, scorer.size))

    words = words_direction(scorer.text_features, about.source, about.target, frames)
    loss = DirectionLoss(features, words, cosine)
    origins: list[SourceTrajectory] = [
        origin_of(ctx, model, cond, xs[0], image, about.t_edit, loss) for xs, image in zip(paths, images, strict=True)
    ]
    return _trained(ctx, model, cond, origins, loss, about, epochs, rate, optimizer, seed, say)


def teach_direction(
    model: Model,
    pictures: Sequence[Path],
    about: DirectionInfo,
    epochs: int = 2,
    rate: float = 1e-3,
    optimizer: Literal["sgd", "adam"] = "adam",
    seed: int = 0,
    frames: Sequence[str] = ("{}",),
    far: float = 1.0,
    say: Callable[[str], None] | None = None,
) -> Direction:
    """Invert the pictures, and train a shift that does what the model itself makes of the two texts.

    Args:
        model: Frozen; a text-to-image model.
        pictures: Their files.
        about: Texts, steps, and the interval (-1: from TAUGHT_EDIT on, and no noise added).
        epochs: Passes over the pictures.
        rate: Learning rate.
        optimizer: sgd or adam.
        seed: Of the first weights.
        frames: Sentence frames around the texts.
        far: How far to follow the model's own change.
        say: Called with a line of text every so often.

    Raises:
        MethodError: If the model takes no text.
    """
    if not model.takes_text:
        raise MethodError(f"{model.name} takes no text, it cannot teach a direction between two: train by clip")
    say = say or (lambda line: None)
    about = replace(
        about,
        t_edit=TAUGHT_EDIT if about.t_edit < 0 else about.t_edit,
        t_boost=max(about.t_boost, 0),
    )
    ctx, cond, _, paths = _inverted(model, pictures, about.steps, say)
    source, target = ([model.embed([f.format(text)]) for f in frames] for text in (about.source, about.target))
    loss = DistillationLoss(source, target, far)
    origins = [SourceTrajectory(xs[0]) for xs in paths]
    return _trained(ctx, model, cond, origins, loss, about, epochs, rate, optimizer, seed, say)


def _inverted(
    model: Model, pictures: Sequence[Path], steps: int, say: Callable[[str], None]
) -> tuple[RunState, Conditioning, list[torch.Tensor], list[torch.Tensor]]:
    """The run, what the model is told (nothing, as when a direction is used), the pictures, and their paths."""
    size = (model.native_size, model.native_size)
    batch = EditBatch(model, CounterNoise([0]), 1, size)
    ctx = batch.context(batch.levels(steps), Ddim())
    cond = batch.guidance("", "", 1.0).cond
    images, paths = [], []
    for file in pictures:
        place = fit(*load_image(file).rgb.size, multiple=model.multiple, native=model.native_size)
        tensor = place.apply(to_tensor(load_image(file).rgb)).to(model.device)
        image = torch.nn.functional.interpolate(tensor, size[::-1], mode="bilinear", antialias=True)
        with torch.no_grad():
            x0 = model.encode(image)
            paths.append(ddim(ctx, x0, Guidance(cond, cond), iterations=3, tolerance=1e-4).xs)
        images.append(image)
    say(f"{len(paths)} pictures inverted, {ctx.cost.forward_rows} rows")
    return ctx, cond, images, paths


def _trained(
    ctx: RunState,
    model: Model,
    cond: Conditioning,
    origins: Sequence[SourceTrajectory],
    loss: Loss,
    about: DirectionInfo,
    epochs: int,
    rate: float,
    optimizer: Literal["sgd", "adam"],
    seed: int,
    say: Callable[[str], None],
) -> Direction:
    about = replace(about, model=model.name, model_sha256=model.weights_hash)
    direction, losses = None, list[float]()
    each = sum(level.t >= about.t_edit for level in ctx.levels[: ctx.steps])
    for step, block in train(ctx, model, cond, origins, loss, about, epochs, rate, optimizer, seed):
        direction = block
        losses.append(step.loss)
        if len(losses) == each:
            mean = sum(losses) / each
            say(f"epoch {step.epoch}, picture {step.picture}: mean loss {mean:.5f}, {step.seconds:.2f} s a step")
            losses.clear()
    if direction is None:
        raise InputError(f"no step of {about.steps} lies at timestep {about.t_edit} or above: lower t_edit")
    return Direction(about, direction.eval().requires_grad_(False))


def _interval(
    model: Model,
    scorer: ClipScorer,
    ctx: RunState,
    paths: list[torch.Tensor],
    cond: Conditioning,
    about: DirectionInfo,
    cosine: float,
) -> DirectionInfo:
    """The rule of the paper, with the bundled CLIP's tokens in place of LPIPS and shares of the largest distance."""

    def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        one, other = (
            torch.nn.functional.normalize(scorer.tokens(squared(p.clamp(-1, 1), scorer.size)), dim=-1) for p in (a, b)
        )
        return 1 - (one * other).sum(-1).mean(-1)

    predicted, noisy = distance_tables(ctx, paths[:8], cond, model.decode, distance)
    edit = smallest_time(predicted, OTHER_EDIT * cosine * max(predicted.values()))
    boost = smallest_time(noisy, OTHER_BOOST * max(noisy.values()))
    return replace(
        about,
        t_edit=edit if about.t_edit < 0 else about.t_edit,
        t_boost=min(boost, edit) if about.t_boost < 0 else about.t_boost,
    )
