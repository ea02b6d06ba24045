"""Trains the shift of one attribute with a CLIP's directional loss (arXiv 2210.10960 section 3.5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.core.solvers import Ddim, Evaluation
from scumble.energies.clip import direction_energy
from scumble.methods.asyrp.delta import DeltaBlock
from scumble.methods.asyrp.direction import DirectionInfo
from scumble.models.base import Model
from scumble.models.forward import timesteps
from scumble.models.taps import Tap
from scumble.models.unet_halves import EncoderCache, decode_half, encode_half

__all__ = ["TrainStep", "DirectionLoss", "Loss", "SourceTrajectory", "Step", "origin_of", "train"]

Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class DirectionLoss:
    """What a shifted picture should be: changed along the words, and otherwise near the original.

    Attributes:
        features: Unit features of pictures (B, 3, H, W).
        words: Unit direction of the words (1, D).
        cosine: Similarity of the two texts: pictures of nearly the same words are kept the nearer.
        clip: Weight of the direction.
        near: Weight of the mean absolute difference.
        kind: log: ``-log((1 + cos) / 2)`` against the picture itself, as the published code has it; plain:
            ``1 - cos`` against the unshifted prediction, as the paper has it.
    """

    features: Features
    words: Tensor
    cosine: float = 1.0
    clip: float = 1.0
    near: float = 3.0
    kind: Literal["log", "plain"] = "log"

    def __call__(self, edited: Tensor, unshifted: Tensor, start: Tensor) -> Tensor:
        """Return the loss.

        Args:
            edited: Predicted picture under the shift, with its graph.
            unshifted: Predicted picture of the origin at the same step.
            start: Unit features compared with.
        """
        cos = direction_energy(self.features(edited), start, self.words).mean()
        loss = -torch.log((1 + cos).clamp_min(1e-7) / 2) if self.kind == "log" else 1 - cos
        return self.clip * loss + self.near * self.cosine * (edited - unshifted).abs().mean()

    def at(self, at: TrainStep, shifted: Prediction) -> Tensor:
        """Return the loss at a step of a trajectory."""
        unshifted = at.origin.pictures[at.k]
        start = at.origin.start if self.kind == "log" else self.features(unshifted)
        return self(at.model.decode(shifted.x0), unshifted, start.detach())


@dataclass(frozen=True)
class SourceTrajectory:
    """The unshifted trajectory of one picture: it depends on nothing that is trained, so it is run once.

    Attributes:
        x: The noisiest x (1, C, h, w).
        pictures: Predicted picture at each trained step.
        start: Unit features of the picture itself (1, D).
    """

    x: Tensor
    pictures: list[Tensor] = field(default_factory=list)
    start: Tensor = field(default_factory=lambda: torch.empty(0))


@dataclass(frozen=True)
class TrainStep:
    """A step of a picture's shifted trajectory, as a loss sees it.

    Attributes:
        ctx: The run.
        model: Decodes.
        level: The level of x.
        x: Where the trajectory is (1, C, h, w).
        plain: What the unshifted network predicts there.
        origin: The picture's unshifted trajectory.
        k: Number of the trained step.
        turn: Differs for the same step of another picture and in another pass.
    """

    ctx: RunState
    model: Model
    level: Level
    x: Tensor
    plain: Prediction
    origin: SourceTrajectory
    k: int
    turn: int = 0


class Loss(Protocol):
    """What a shift is trained for."""

    def at(self, at: TrainStep, shifted: Prediction) -> Tensor:
        """Return the loss of the shifted prediction, which carries the graph."""
        ...


@dataclass(frozen=True)
class Step:
    """What is told after each update.

    Attributes:
        epoch: From 1.
        picture: From 1.
        t: Timestep.
        loss: The loss.
        seconds: What the update took.
    """

    epoch: int
    picture: int
    t: float
    loss: float
    seconds: float


def _trained(ctx: RunState, t_edit: int) -> list[int]:
    return [i for i in range(ctx.steps) if ctx.levels[i].t >= t_edit]


def _next(x: Tensor, prediction: Prediction, here: Level, there: Level) -> Tensor:
    return Ddim().step([Evaluation(0, here, x, prediction)], there)[0]


def origin_of(
    ctx: RunState, model: Model, cond: Conditioning, x: Tensor, picture: Tensor, t_edit: int, loss: DirectionLoss
) -> SourceTrajectory:
    """Run a picture's unshifted trajectory through the trained steps.

    Args:
        ctx: The run.
        model: Decodes.
        cond: What the network is told.
        x: The inverted picture at the noisiest level (1, C, h, w).
        picture: The picture (1, 3, H, W).
        t_edit: Training ends at this timestep.
        loss: Whose features are used.
    """
    path, at = [], x
    with torch.no_grad():
        for i in _trained(ctx, t_edit):
            prediction = ctx.evaluate(at, ctx.levels[i], cond)
            path.append(model.decode(prediction.x0))
            at = _next(at, prediction, ctx.levels[i], ctx.levels[i + 1])
        return SourceTrajectory(x, path, loss.features(picture))


@dataclass
class _EncodedStep:
    """The encoder's run of one step, with the time embedding."""

    cache: EncoderCache
    seen: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, ctx: RunState, model: Model, x: Tensor, level: Level, cond: Conditioning) -> _EncodedStep:
        activations: dict[str, Tensor] = {}
        taps = [Tap("time_embedding", lambda temb: activations.update(temb=temb))]
        ctx.cost.forward(x.shape[0])
        return cls(encode_half(model.denoiser, x, timesteps(level, x.device), cond, taps), activations)

    def decode(self, model: Model, h: Tensor, x: Tensor, level: Level) -> Prediction:
        output, _ = decode_half(model.denoiser, self.cache, h)
        return Prediction.from_output(model.schedule.prediction_type, output, x, level)


def train(
    ctx: RunState,
    model: Model,
    cond: Conditioning,
    origins: Sequence[SourceTrajectory],
    loss: Loss,
    about: DirectionInfo,
    epochs: int = 5,
    rate: float = 0.5,
    optimiser: Literal["sgd", "adam"] = "sgd",
    seed: int = 0,
) -> Iterator[tuple[Step, DeltaBlock]]:
    """Yield after each update what it came to, and the network as it is then.

    At every timestep down to ``t_edit`` the encoder runs once and the decoder twice; the gradient goes through the
    second decoder alone.

    Args:
        ctx: The run: n_train steps of ddim.
        model: Frozen.
        cond: What it is told.
        origins: The pictures, see :func:`origin_of`; a loss that does not look at them needs their x alone.
        loss: What is wanted.
        about: Where to stop.
        epochs: Passes over the pictures; the rate falls to a tenth after every third.
        rate: Learning rate.
        optimiser: sgd as published, or adam.
        seed: Of the network's first weights.
    """
    steps = _trained(ctx, about.t_edit)
    with torch.no_grad():
        probe = _EncodedStep.of(ctx, model, origins[0].x, ctx.levels[0], cond)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        block = DeltaBlock(probe.cache.h.shape[1], probe.seen["temb"].shape[-1])
    block = block.to(origins[0].x.device)
    kind = torch.optim.SGD if optimiser == "sgd" else torch.optim.Adam
    moves = kind(block.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.StepLR(moves, step_size=3, gamma=0.1)
    for epoch in range(epochs):
        for n, origin in enumerate(origins):
            x = origin.x
            for k, i in enumerate(steps):
                started, level = time.perf_counter(), ctx.levels[i]
                half = _EncodedStep.of(ctx, model, x, level, cond)
                h, temb = half.cache.h, half.seen["temb"]
                with torch.no_grad():
                    plain = half.decode(model, h, x, level)
                with torch.enable_grad():
                    shifted = half.decode(model, h + block(h.float(), temb.float()).to(h.dtype), x, level)
                    value = loss.at(TrainStep(ctx, model, level, x, plain, origin, k, k + n + epoch), shifted)
                    moves.zero_grad()
                    value.backward()
                moves.step()
                ctx.cost.backward(x.shape[0])
                prediction = Prediction(shifted.x0.detach(), plain.eps)
                x = _next(x, prediction, level, ctx.levels[i + 1])
                report = Step(epoch + 1, n + 1, level.t, float(value.detach()), time.perf_counter() - started)
                yield report, block
        schedule.step()


def words_direction(text: Callable[[Sequence[str]], Tensor], source: str, target: str, frames: Sequence[str]) -> Tensor:
    """Unit direction (1, D) from one text to the other, mean over sentence frames such as ``a photo of {}``."""
    moved = text([f.format(target) for f in frames]) - text([f.format(source) for f in frames])
    return F.normalize(moved.mean(0, keepdim=True), dim=-1)


def similarity(text: Callable[[Sequence[str]], Tensor], source: str, target: str) -> float:
    """Cosine of the two texts, without frames."""
    a, b = text([source, target]).split(1)
    return float(F.cosine_similarity(a, b))
