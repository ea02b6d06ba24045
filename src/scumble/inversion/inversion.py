"""An inversion: a picture's stored path through the noise levels, what leads along it again, and its file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from scumble.core.schedule import Level
from scumble.core.solver import Solver
from scumble.errors import InputError
from scumble.hashing import tensors_sha256
from scumble.inversion.file import read, write
from scumble.inversion.official import step_rule
from scumble.inversion.settings import Kind, NoisySolver

if TYPE_CHECKING:
    from scumble.core.control import RunState
    from scumble.models.base import Model

__all__ = ["Inversion"]

TENSORS = ("xs", "zs", "residuals", "picture")


@dataclass(frozen=True)
class Inversion:
    """A path from level ``first`` to the clean picture, and the noise that leads along it.

    Calling it gives the path as a change map or a blend wants its source: ``inversion(ctx, i)``.

    Attributes:
        kind: edit-friendly (arXiv 2304.06140), naive (arXiv 2210.05559) or ddim (arXiv 2010.02502).
        levels: The N + 1 levels of the whole run, noisiest first.
        first: Index of the level at which the path begins, which is the number of skipped steps.
        xs: x at ``levels[first:]`` (M + 1, B, C, h, w) with M = N - first; the last one is the clean picture. B is 1
            in files, and the number of candidates where each has its own path.
        zs: Noise of each step (M, B, C, h, w): ``zs[k]`` leads from ``xs[k]`` to ``xs[k + 1]``; None for ddim.
        residuals: What ``mean + std z`` misses of the next x (M, B, C, h, w): a rounding error where std > 0, the
            whole offset (in float64) where std is 0; or None.
        prompt: What the picture was said to show.
        guidance_scale: Guidance while inverting.
        eta: Of the steps; 0 for ddim.
        rule: Name of the solver whose noise it is.
        seed: Seed of the draws, or None.
        compat: official: made and replayed as the published code does.
        model: Name of the model.
        model_sha256: SHA-256 of its denoiser's weights.
        size: Width and height at which the model saw the picture.
        window: Part of the picture that it is of: ``box``, ``scaled``, ``size``; None: the whole.
        picture: The picture itself (H, W, 3 or 4), uint8, or None.
        picture_name: Its file name.
        picture_sha256: SHA-256 of its decoded colours.
        error: Measured errors of reconstruction, see ``measure``.
        report: How it was made: network rows, chunk, fixed-point residual.
        version: Version of the library that made it.
        runtime: What computed the networks, with its version (``torch``, ``openvino 2026.4.1``); empty: not known.
        precision: In what precision.
    """

    kind: Kind
    levels: tuple[Level, ...]
    first: int
    xs: Tensor
    zs: Tensor | None = None
    residuals: Tensor | None = None
    prompt: str = ""
    guidance_scale: float = 1.0
    eta: float = 1.0
    rule: NoisySolver = "ddim"
    seed: int | None = None
    compat: Literal["official"] | None = None
    model: str = ""
    model_sha256: str = ""
    size: tuple[int, int] = (0, 0)
    window: dict[str, Any] | None = None
    picture: Tensor | None = None
    picture_name: str = ""
    picture_sha256: str = ""
    error: Mapping[str, float] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    version: str = field(default_factory=lambda: version("scumble"))
    runtime: str = ""
    precision: str = ""

    @property
    def steps(self) -> int:
        """N, the number of steps of the whole run."""
        return len(self.levels) - 1

    @property
    def x0(self) -> Tensor:
        """The clean picture in the model's space (B, C, h, w)."""
        return self.xs[-1]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the tensors."""
        return tensors_sha256(self._tensors())

    def x_at(self, i: int) -> Tensor:
        """x at ``levels[i]`` (B, C, h, w), from ``first`` to N.

        Raises:
            InputError: If the path does not reach that far into the noise.
        """
        if not self.first <= i <= self.steps:
            raise InputError(f"the inversion holds the levels {self.first} to {self.steps} of the run, not level {i}")
        return self.xs[i - self.first]

    def z_at(self, i: int) -> Tensor | None:
        """Noise of the step from ``levels[i]`` to ``levels[i + 1]`` (B, C, h, w); None for ddim."""
        return None if self.zs is None else self.zs[self._step(i)]

    def residual_at(self, i: int) -> Tensor | None:
        """What the step from ``levels[i]`` misses of the next x (B, C, h, w), or None.

        Raises:
            InputError: If the path has no such step.
        """
        return None if self.residuals is None else self.residuals[self._step(i)]

    def rows(self, ctx: RunState, i: int) -> Tensor:
        """The path as a trajectory: x at ``levels[i]`` of the rows that it has, one or one for each sample.

        Args:
            ctx: The run; not looked at.
            i: Index of the level, from ``first`` to N.
        """
        return self.x_at(i)

    def __call__(self, ctx: RunState, i: int) -> Tensor:
        """The path as the source of a change map: x at level i for every sample; at N the clean picture."""
        return self.x_at(i).expand(ctx.shape)

    def solver(self, model: Model) -> Solver:
        """The step rule for which the noise was computed: no other one may replay it.

        Args:
            model: The model of the run, for its schedule.
        """
        return step_rule(self.rule, self.compat, self.eta, model.schedule, self.levels)

    def since(self, first: int) -> Inversion:
        """The same path, begun at a later level: the noise of the steps before it is left out.

        Args:
            first: Index of that level; one before the path's own leaves it as it is.

        Raises:
            InputError: If its steps remember the ones before them.
        """
        if first <= self.first:
            return self
        if self.rule != "ddim":
            raise InputError(
                f"an inversion by {self.rule} begins where it was made to, at skip {self.first / self.steps:g}: its"
                " steps remember the ones before; invert again"
            )
        k = first - self.first
        zs, residuals = (None if t is None else t[k:] for t in (self.zs, self.residuals))
        return replace(self, first=first, xs=self.xs[k:], zs=zs, residuals=residuals)

    def to(self, device: torch.device | str, copy: bool = False) -> Inversion:
        """The same inversion with its tensors on a device (the picture stays on the CPU); ``copy``: in any case new."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, copy=copy)

        return replace(self, xs=self.xs.to(device, copy=copy), zs=moved(self.zs), residuals=moved(self.residuals))

    def fits(self, model: Model, levels: Sequence[Level], shape: Sequence[int]) -> None:
        """Refuse a run that this inversion was not made for.

        Args:
            model: The model of the run.
            levels: Its levels.
            shape: Shape of its tensors (B, C, h, w); B may be anything where the inversion has one path.

        Raises:
            InputError: Saying whether the model, the levels or the shape differ, and how.
        """
        if self.model_sha256 and self.model_sha256 != model.weights_hash:
            raise InputError(
                f"the inversion was made with the model {self.model} (weights {self.model_sha256[:12]}…), this is"
                f" {model.name} (weights {model.weights_hash[:12]}…): load that model, or invert again with this one"
            )
        if len(levels) != len(self.levels):
            raise InputError(f"the inversion has levels for {self.steps} steps, the run has {len(levels) - 1} steps")
        for i, (level, other) in enumerate(zip(self.levels, levels, strict=True)):
            if not all(
                math.isclose(p, q, rel_tol=1e-6, abs_tol=1e-6)
                for p, q in zip(_plain(level), _plain(other), strict=True)
            ):
                raise InputError(
                    f"level {i} of the inversion is t = {level.t:g} (a = {level.a:.6f}), that of the run t ="
                    f" {other.t:g} (a = {other.a:.6f}): the schedule is another one; invert again"
                )
        batch, *own_shape = self.xs.shape[1:]
        if tuple(own_shape) != tuple(shape[1:]) or batch not in (1, shape[0]):
            raise InputError(
                f"the inversion has the shape {tuple(self.xs.shape[1:])}, the run {tuple(shape)}: use the picture"
                " and size that were inverted"
            )

    def save(self, path: str | Path) -> Path:
        """Write ``NAME.inversion.safetensors``; never half of it.

        Args:
            path: Where; the name ends so.

        Raises:
            InputError: If the name or folder will not do, or the inversion is of several candidates.
        """
        if self.xs.shape[1] != 1:
            raise InputError(f"an inversion of {self.xs.shape[1]} candidates cannot be saved; save them one by one")
        known = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in TENSORS}
        about = {**known, "levels": [_plain(level) for level in self.levels]}
        write(Path(path), self._tensors(), {k: dict(v) if isinstance(v, Mapping) else v for k, v in about.items()})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Inversion:
        """Read an inversion; its tensors are on the CPU.

        Args:
            path: A file that :meth:`save` or ``scumble invert`` wrote.

        Raises:
            CheckpointError: If the file is missing, damaged, cut short, of a newer format, or no inversion.
        """
        tensors, about = read(Path(path))
        levels = tuple(Level(*level) for level in about["levels"])
        return cls(**{**about, **tensors, "levels": levels})

    def _step(self, i: int) -> int:
        if not self.first <= i < self.steps:
            raise InputError(f"the inversion holds the steps {self.first} to {self.steps - 1} of the run, not step {i}")
        return i - self.first

    def _tensors(self) -> dict[str, Tensor]:
        return {name: t for name in TENSORS if (t := getattr(self, name)) is not None}


def _plain(level: Level) -> tuple[float, float, float]:
    return level.t, level.a, level.s
