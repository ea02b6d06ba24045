"""Fields of methods that drag points, and the steps that drags by optimization share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import AliasChoices, Field, field_validator

from scumble.inversion.settings import InversionSettings, InversionStart
from scumble.methods.base import ImageMethod
from scumble.methods.cache import Key
from scumble.methods.drag.points import GridPairs, PointPair, flat_points, pairs_of

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.images import Window
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.optimize import DragResult, DragSettings
    from scumble.methods.drag.warp import Field as Pull
    from scumble.methods.report import Report

__all__ = [
    "DRAGGED",
    "DragByOptimisation",
    "PointFields",
    "drag_once",
    "frame_values",
    "grid_pairs",
    "keep_outside_mask",
    "outside_mask",
    "pull",
    "pull_field",
    "report_drag",
    "start_latent",
    "window_of",
]

CELLS = 4
"""Grid steps per latent cell of a side: half the image's resolution where a cell has eight pixels, as published."""
DRAGGED: Key[tuple[Tensor | None, Report]] = Key("dragged")
"""The result in the model's space, and what was reported about it."""


class PointFields(ImageMethod):
    """Fields of methods that move points. The change map is the mask: white may change."""

    scene_wide: ClassVar[bool] = True
    advice: ClassVar[str] = "try a larger --reach"
    """What to do about a point that did not arrive, besides what the mask can do."""

    points: tuple[tuple[float, float, float, float], ...] = ()
    """Pairs of points, from x, y to x, y, in pixels of the image; the center of the first pixel is 0, 0."""
    prompt: str = ""
    """What the image shows; may be left empty."""
    edge: Literal["fade", "cut"] = "fade"
    """How a pull ends at its reach and at the mask's edge: falling to nothing, or cut off as in version 0.1."""

    @field_validator("points", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        return flat_points(value)

    def check(self, batch: EditBatch) -> None:
        """Refuse points that cannot be dragged; give a notice where the mask holds one, and where words are missing."""
        super().check(batch)
        if batch.model.takes_text and not (self.prompt or self.needs_no_network or batch.inversion is not None):
            batch.notices.append(
                "no prompt was given: what is dragged may change its look; --prompt says what the picture shows"
            )
        for k, pair in enumerate(self.pairs(batch)):
            for what, (x, y) in (("handle", pair.handle), ("target", pair.target)):
                if batch.change is not None and not _free(batch, x, y):
                    batch.notices.append(
                        f"the {what} of pair {k + 1} lies where the mask is black: it cannot move there"
                    )

    def pairs(self, batch: EditBatch) -> tuple[PointPair, ...]:
        """The points, checked."""
        return pairs_of(self.points, window_of(batch).original)


class DragByOptimisation(PointFields):
    """Fields of methods that optimize at one noise level."""

    takes_inversion: ClassVar[bool] = True
    advice: ClassVar[str] = "raise --iterations or --learning-rate, or drag in shorter pulls"

    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    """Steps N of a full run."""
    strength: float = Field(default=0.7, ge=0, le=1)
    """How much noise the drag happens in: more moves further and keeps less."""
    start: Literal["warp", "picture"] = "warp"
    """Where the optimization starts: warp, the noisy image pulled along the points, which moves whole objects; or
    picture, the noisy image itself, as published."""
    iterations: int = Field(default=80, ge=0, le=10000)
    """Largest number of updates; long drags need more."""
    learning_rate: float = Field(default=0.02, gt=0, le=10)
    """Step size of an update."""
    patch_radius: int = Field(default=1, ge=0, le=64, validation_alias=AliasChoices("patch_radius", "window"))
    """Radius of the patch around a point that is led along, in quarters of a latent cell."""
    radius: int = Field(default=3, ge=1, le=64)
    """Radius within which a point is searched for after each update, in quarters of a latent cell."""
    mask_weight: float = Field(default=0.1, ge=0)
    """Weight of the loss that holds everything outside the mask."""
    inversion_iterations: int = Field(default=3, ge=1, le=100)
    """Largest number of fixed-point iterations per level of the inversion; 1 is plain DDIM inversion."""
    inversion_start: InversionStart = "warm"
    """Where the inversion looks for each level first: warm is much more exact for the same cost, same as published."""
    lora_steps: int = Field(default=0, ge=0, le=10000)
    """Train a LoRA on the image for this many steps before dragging; it is kept for the next drag. 0: none."""
    lora_rank: int = Field(default=16, ge=1, le=256)
    """Rank of that LoRA."""
    lora_learning_rate: float = Field(default=5e-4, gt=0, le=1)
    """Learning rate of that LoRA."""
    frames: int = Field(default=0, ge=0, le=200)
    """Number of intermediate images of the drag to return as well."""
    compat: Literal["official"] | None = None
    """official: follow the published code, quirks included."""

    @property
    def warps(self) -> bool:
        """Whether the optimization starts at the image pulled along the points."""
        return self.start == "warp" and self.iterations > 0

    def inversion_settings(self, batch: EditBatch) -> InversionSettings:
        """How to invert: deterministic and close to exact; a given inversion is taken as it is."""
        if batch.inversion is not None:
            return InversionSettings(skip=1 - self.strength)
        return InversionSettings(
            kind="ddim",
            num_inference_steps=self.num_inference_steps,
            skip=1 - self.strength,
            prompt=self.prompt,
            iterations=self.inversion_iterations,
            tolerance=1e-3,
            inversion_start=self.inversion_start,
            offsets=True,
        )

    def drag_settings(self, batch: EditBatch, arrived: float = 1.0, longest: float | None = 1.0) -> DragSettings:
        """The numbers of the optimization; for ``arrived`` and ``longest`` see :class:`DragSettings`."""
        import torch

        from scumble.methods.drag.optimize import DragSettings

        return DragSettings(
            iterations=self.iterations,
            learning_rate=self.learning_rate,
            patch_radius=self.patch_radius,
            radius=self.radius,
            arrived=arrived,
            longest=longest,
            keep_every=max(self.iterations // self.frames, 1) if self.frames else 0,
            half=batch.model.dtype == torch.float16,
        )


def drag_once(
    batch: EditBatch, method: DragByOptimisation, drag: Callable[[EditBatch], Tensor | None]
) -> Tensor | None:
    """Drag one candidate, with frozen weights and the image's LoRA where one is asked for; all others are equal to it.

    Candidates could only differ in the noise of the area that a drag uncovers.

    Args:
        batch: All candidates.
        method: The fields.
        drag: Returns the dragged image of one candidate in the model's space (1, C, h, w), or None.
    """
    same = (
        "a drag is made once, with the first seed: all candidates are the same; another seed redraws what was uncovered"
    )
    if batch.samples[1] > 1 and same not in batch.notices:
        batch.notices.append(same)

    def run() -> tuple[Tensor | None, Report]:
        from scumble.methods.drag.optimize import frozen

        single = replace(batch, count=1, noise=batch.first_noise)
        with ExitStack() as stack:
            if method.lora_steps:
                from scumble.methods.drag.lora import Adapter, adapted, train_lora  # peft takes a second to import

                adapter = Adapter(method.prompt, method.lora_steps, method.lora_rank, method.lora_learning_rate)
                on_step = progress(single, method.lora_steps)
                with batch.watch.phase("train", method.lora_steps, counts=False):
                    cond = batch.embed(method.prompt)
                    path = train_lora(batch.model, batch.picture, cond, adapter, on_step=on_step, cost=batch.cost)
                stack.enter_context(adapted(batch.model.denoiser, path))
            stack.enter_context(frozen(batch.model.denoiser))
            return drag(single), single.report

    latent, report = batch.cache.get_or_make(DRAGGED, run)
    batch.report.update(report)
    return None if latent is None else latent.expand(batch.shape)


def start_latent(batch: EditBatch, method: DragByOptimisation, inversion: Inversion) -> Tensor:
    """x at the level of ``strength`` (1, C, h, w): the image's, or that of the image pulled along the points.

    Of the latter the clean part is pulled as an image, the noise cell by cell.
    """
    import torch
    import torch.nn.functional as F

    from scumble.methods.drag.warp import warp, warp_noise

    x = inversion.x_at(inversion.first)
    if not method.warps:
        return x
    level, cell = inversion.levels[inversion.first], batch.model.factor
    mask = None if batch.change is None else batch.change.amax((0, 1))
    with torch.no_grad():
        x0 = batch.model.encode(warp(batch.picture[0], pull_field(batch, method), mask).image[None])
    eps = (x - level.a * inversion.x0) / level.s
    coarse = None if mask is None else F.max_pool2d(mask[None, None], cell)[0, 0]
    fresh = batch.noise.normal(batch.shape, "uncovered", 0).to(eps.device)
    noise = warp_noise(eps[0], fresh[0], pull_field(batch, method, cell=cell), coarse)
    return level.a * x0 + level.s * noise[None]


def outside_mask(batch: EditBatch) -> Tensor | None:
    """1 where the mask holds the latent (1, 1, h, w), else 0; None without a mask."""
    return None if batch.change is None else 1 - (batch.latent_change("max") > 0).float()


def keep_outside_mask(batch: EditBatch, inversion: Inversion) -> list[Control]:
    """Keep the black part of the mask on the image's own path; gray is freed later, white from the beginning."""
    import torch

    from scumble.controls.change_map import ChangeMap, release_index

    if batch.change is None:
        return []
    release = release_index(batch.latent_change("max"), inversion.steps, inversion.first)
    freed = torch.where(release < inversion.steps, release - 1, release)
    return [ChangeMap(freed, inversion, first=inversion.first)]


def progress(batch: EditBatch, total: int) -> Callable[..., None]:
    """A callback that reports iteration k of ``total``, and stops when the user asks for it."""

    def on_iteration(k: int, *_: object) -> None:
        batch.tell(k + 1, total, batch.x0)

    return on_iteration


def frame_values(drag: DragResult, frames: int) -> Tensor:
    """The optimized tensors of an animation's frames, at most ``frames``, and last the result's, in one batch."""
    import torch

    return torch.cat([*(state for state in drag.states[:frames] if state is not drag.value), drag.value])


def report_drag(batch: EditBatch, method: DragByOptimisation, latents: Tensor, drag: DragResult) -> Tensor:
    """Report arrivals and frames, and return the last of the latents, the result (1, C, h, w)."""
    import torch

    from scumble.methods.drag.arrival import report_arrival
    from scumble.methods.drag.supervision import supervision_site

    result = latents[-1:]
    if method.frames:
        with torch.no_grad():
            batch.report.frames[:] = [batch.picture, *(batch.model.decode(row) for row in latents.split(1))]
    points = report_arrival(batch, method.pairs(batch), method.prompt, method.advice, result, drag.handles)
    site = supervision_site(batch.model.denoiser)
    batch.report.say(points=points, iterations=drag.updates, supervision=site)
    return result


def window_of(batch: EditBatch) -> Window:
    """The window through which the model sees the image."""
    from scumble.images import Window

    return batch.window or Window(batch.size, batch.size, batch.size)


def grid_pairs(
    batch: EditBatch, pairs: tuple[PointPair, ...], rule: Callable[..., GridPairs] = GridPairs.of
) -> GridPairs:
    """The points on the supervision grid, which is finer than the latent, over the same image."""
    cells = CELLS if batch.model.factor > 1 else 1
    return rule(pairs, window_of(batch), (batch.shape[2] * cells, batch.shape[3] * cells))


def pull_field(batch: EditBatch, method: PointFields, reach: float | None = None, cell: int = 1) -> Pull:
    """How the image at the model's size is pulled along the points; ``cell`` pixels of a side count as one."""
    mask = None if batch.change is None else batch.change.amax((0, 1))
    return pull(batch.picture[0], mask, window_of(batch), method.pairs(batch), method.edge, reach, cell)


def pull(
    image: Tensor,
    mask: Tensor | None,
    window: Window,
    pairs: Sequence[PointPair],
    edge: Literal["fade", "cut"] = "fade",
    reach: float | None = None,
    cell: int = 1,
) -> Pull:
    """How an image (C, H, W) is pulled along points of the whole picture, of which it shows a window.

    Args:
        image: The window.
        mask: (H, W), what may move; None: everything.
        window: How points of the picture come to it.
        pairs: In pixels of the picture.
        edge: How the pull ends.
        reach: Radius of what a point takes along, in pixels of the image; None: the thing under it.
        cell: So many pixels of a side count as one.
    """
    import torch.nn.functional as F

    from scumble.methods.drag.warp import CUT, FADE, displacement, segment_at, solid_segment_at

    segment, ends = (segment_at, CUT) if edge == "cut" else (solid_segment_at, FADE)
    moved = [PointPair(window.point(*p.handle), window.point(*p.target)) for p in pairs]
    segments: list[Tensor | None] = []
    if mask is not None and reach is None:
        segments = [segment(image, pair.handle, mask) for pair in moved]
    height, width = image.shape[-2:]
    if cell > 1:
        mask = None if mask is None else F.max_pool2d(mask[None, None], cell)[0, 0]
        segments = [None if one is None else F.avg_pool2d(one[None, None], cell)[0, 0] for one in segments]
        moved = [PointPair(_coarse(p.handle, cell), _coarse(p.target, cell)) for p in moved]
    return displacement((height // cell, width // cell), moved, mask, reach, segments, ends)


def _coarse(point: tuple[float, float], cell: int) -> tuple[float, float]:
    return (point[0] + 0.5) / cell - 0.5, (point[1] + 0.5) / cell - 0.5


def _free(batch: EditBatch, x: float, y: float) -> bool:
    assert batch.change is not None
    height, width = batch.change.shape[-2:]
    column, row = window_of(batch).point(x, y)
    return bool(batch.change[:, 0, min(max(round(row), 0), height - 1), min(max(round(column), 0), width - 1)].any())
