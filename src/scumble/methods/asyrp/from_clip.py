"""A direction learned from pictures with a CLIP, as published (arXiv 2210.10960)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.methods.asyrp.direction import Direction, DirectionInfo
from scumble.methods.asyrp.interval import OTHER_BOOST, OTHER_EDIT, distance_tables, smallest_time
from scumble.methods.asyrp.training_loss import DirectionLoss
from scumble.methods.asyrp.training_run import inverted_pictures, trained_direction
from scumble.methods.asyrp.trajectory import SourceTrajectory, origin_of
from scumble.methods.asyrp.words_direction import similarity, words_direction
from scumble.models.base import Model
from scumble.models.clip import ClipScorer, to_square

__all__ = ["train_direction"]


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
    ctx, cond, images, paths = inverted_pictures(model, pictures, about.steps, say)
    cosine = similarity(scorer.text_features, about.source, about.target)
    if about.t_edit < 0 or about.t_boost < 0:
        about = _interval(model, scorer, ctx, paths, cond, about, cosine)
        say(f"the shift acts from t {about.t_edit} on, noise is added below t {about.t_boost}")

    def features(picture: torch.Tensor) -> torch.Tensor:
        return scorer.encode(to_square(picture, scorer.size))

    words = words_direction(scorer.text_features, about.source, about.target, frames)
    loss = DirectionLoss(features, words, cosine)
    origins: list[SourceTrajectory] = [
        origin_of(ctx, model, cond, xs[0], image, about.t_edit, loss) for xs, image in zip(paths, images, strict=True)
    ]
    return trained_direction(ctx, model, cond, origins, loss, about, epochs, rate, optimizer, seed, say)


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
            torch.nn.functional.normalize(scorer.tokens(to_square(p.clamp(-1, 1), scorer.size)), dim=-1) for p in (a, b)
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
