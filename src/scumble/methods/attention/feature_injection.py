"""Layout of a source picture put into another run: decoder features and self-attention queries and keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Trajectory
from scumble.core.traits import Replacement, Traits
from scumble.errors import MethodError
from scumble.inversion.chunks import Chunks
from scumble.models.early_exit import early_exit, reading_until_complete
from scumble.models.sites import sites
from scumble.models.taps import Tap, module_at

__all__ = ["FeatureInjection", "InjectionSites", "SourceFeatures", "injection_sites"]


@dataclass(frozen=True)
class InjectionSites:
    """Paths of the modules whose outputs are overwritten.

    Attributes:
        feature: The second convolution of one decoder resnet: its branch before the shortcut is added.
        attention: ``to_q`` and ``to_k`` of the decoder's self-attention after it.
    """

    feature: str
    attention: tuple[str, ...]


def injection_sites(denoiser: nn.Module) -> InjectionSites:
    """The published layers of Stable Diffusion, found in any U-Net by their place.

    The feature: the second resnet of the first decoder block with attention (``up_blocks[1].resnets[1]`` of SD 1 and
    2). Attention: all decoder self-attention from there on (layers 4 to 11 of SD).

    Raises:
        MethodError: If the decoder has no self-attention, or runs it through fused projections.
    """
    attention = [(_place(s.path), s.path) for s in sites(denoiser, "self_attention") if s.place == "up"]
    if not attention:
        raise MethodError("the decoder of this network has no self-attention, so plug-and-play has nothing to inject")
    block = min(place for place, _ in attention)[0]
    resnets = [_place(s.path) for s in sites(denoiser, "resnet") if s.place == "up" and _place(s.path)[0] == block]
    layer = resnets[min(1, len(resnets) - 1)]
    chosen = [path for place, path in attention if place >= layer]
    for path in chosen:
        if getattr(module_at(denoiser, path), "fused_projections", False):
            raise MethodError(f"{path!r} has fused projections: unfuse them (pipe.unfuse_qkv_projections()) first")
    parts = tuple(f"{path}.{part}" for path in chosen for part in ("to_q", "to_k"))
    return InjectionSites(f"up_blocks.{layer[0]}.resnets.{layer[1]}.conv2", parts)


def _place(path: str) -> tuple[int, int]:
    _, block, _, layer, *_ = path.split(".")
    return int(block), int(layer)


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors.values())


@dataclass
class SourceFeatures:
    """Activations of the source at all steps, computed once, several steps in one call, and used by every edit.

    Each call ends as soon as the last wanted activation is known. What does not fit ``limit`` is left out.

    Attributes:
        known: Step -> path of the module -> its output (1 or B rows).
        limit: Bytes that may be kept.
    """

    known: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    limit: int = 2 * 2**30

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(_bytes(at) for at in self.known.values())

    def record(
        self,
        ctx: RunState,
        trajectory: Trajectory,
        cond: Conditioning,
        wanted: Mapping[int, tuple[str, ...]],
        chunk: int | None = None,
    ) -> None:
        """Evaluate the source where it is not known yet.

        Args:
            ctx: The run.
            trajectory: The source at each level.
            cond: What the source is told.
            wanted: Step -> the modules whose outputs are needed there.
            chunk: Steps per network call; None lets the memory decide.
        """
        missing = [i for i in sorted(wanted) if wanted[i] and not set(wanted[i]) <= set(self.known.get(i, {}))]
        chunks = Chunks(ctx.device, chunk)
        for paths, group in groupby(missing, key=lambda i: wanted[i]):
            steps = list(group)
            while steps and (room := self._room()):
                with chunks.measured() as most:
                    now, steps = steps[: min(most, room)], steps[min(most, room) :]
                    self._call(ctx, trajectory, cond, now, paths)

    def _room(self) -> int:
        """How many more steps fit, judged by the largest one that is known; one when none is."""
        largest = max((_bytes(at) for at in self.known.values()), default=0)
        return max(self.limit - self.size, 0) // largest if largest else int(self.limit > 0)

    def _call(
        self,
        ctx: RunState,
        trajectory: Trajectory,
        cond: Conditioning,
        steps: Sequence[int],
        paths: Iterable[str],
    ) -> None:
        x = [trajectory(ctx, i) for i in steps]
        levels = [ctx.levels[i] for i, rows in zip(steps, x, strict=True) for _ in range(rows.shape[0])]
        features: dict[str, Tensor] = {}
        conditioning = cond if cond.batch == 1 else Conditioning.cat([cond] * len(steps))
        with early_exit():
            ctx.evaluate(torch.cat(x), levels, conditioning, reading_until_complete(paths, features))
        for k, i in enumerate(steps):
            rows = slice(k * x[k].shape[0], (k + 1) * x[k].shape[0])
            self.known.setdefault(i, {}).update({path: features[path][rows].clone() for path in features})


@dataclass
class FeatureInjection(Control):
    """Plug-and-Play's injection (arXiv 2211.12572 section 4): the edited rows get the source's decoder feature and
    self-attention (its queries and keys; values stay their own, and so does the fused path).

    Args:
        sites: Which modules.
        trajectory: The source at each level (1 or B, C, h, w).
        cond: What the source is told.
        feature_steps: Steps of the run at which the feature is injected.
        attention_steps: Steps of the run at which queries and keys are injected.
        cache: Where the source's activations are kept; without it, and at steps that it has no room for, the source
            is evaluated as one more row.
        targets: Rows that are overwritten.
        chunk: Steps per network call when the cache is filled; None lets the memory decide.
    """

    sites: InjectionSites
    trajectory: Trajectory
    cond: Conditioning
    feature_steps: range
    attention_steps: range
    cache: SourceFeatures | None = None
    targets: tuple[str, ...] = ("uncond", "cond")
    chunk: int | None = None

    def traits(self, ctx: RunState) -> Traits:
        """Self-attention gets the source's queries and keys."""
        layers = frozenset(path.rpartition(".to_")[0] for path in self.sites.attention)
        return Traits(
            replaces_self_attention=Replacement(layers, frozenset(self.attention_steps)), edits_attention=True
        )

    def wanted(self, step: int) -> tuple[str, ...]:
        """Modules whose outputs are injected at a step of the run."""
        feature = (self.sites.feature,) if step in self.feature_steps else ()
        return (*feature, *(self.sites.attention if step in self.attention_steps else ()))

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Make sure that the source is known, or ask for its row."""
        if not self.wanted(ctx.i):
            return rows
        if self.cache is not None and not self._cached(ctx.i):
            ahead = {i: self.wanted(i) for i in range(ctx.i, ctx.steps)}
            self.cache.record(ctx, self.trajectory, self.cond, ahead, self.chunk)
        if self._cached(ctx.i):
            return rows
        return [*rows, Branch("source", self.cond, self.trajectory(ctx, ctx.i))]

    def _cached(self, step: int) -> bool:
        return self.cache is not None and set(self.wanted(step)) <= set(self.cache.known.get(step, {}))

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Overwrite the edited rows."""
        cached = self.cache.known.get(ctx.i, {}) if self.cache is not None and self._cached(ctx.i) else {}
        return [self._writer(ctx, path, cached.get(path)) for path in self.wanted(ctx.i)]

    def _writer(self, ctx: RunState, path: str, known: Tensor | None) -> Tap:
        def write(output: Tensor) -> Tensor | None:
            if known is None and "source" not in ctx.layout:
                return None
            source = output[ctx.layout["source"]] if known is None else known
            edited = output.clone()
            for name in self.targets:
                if name in ctx.layout:
                    edited[ctx.layout[name]] = source
            return edited

        return Tap(path, write)
