"""A direction learned from a text-to-image model's own change between two prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from scumble.errors import MethodError
from scumble.methods.asyrp.direction import Direction, DirectionInfo
from scumble.methods.asyrp.distillation import DistillationLoss
from scumble.methods.asyrp.training_run import inverted_pictures, trained_direction
from scumble.methods.asyrp.trajectory import SourceTrajectory
from scumble.models.base import Model

__all__ = ["teach_direction"]

TAUGHT_EDIT = 400
"""Timestep down to which a taught shift acts, unless one is given."""


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
    ctx, cond, _, paths = inverted_pictures(model, pictures, about.steps, say)
    source, target = ([model.embed([f.format(text)]) for f in frames] for text in (about.source, about.target))
    loss = DistillationLoss(source, target, far)
    origins = [SourceTrajectory(xs[0]) for xs in paths]
    return trained_direction(ctx, model, cond, origins, loss, about, epochs, rate, optimizer, seed, say)
