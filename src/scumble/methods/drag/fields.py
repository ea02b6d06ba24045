"""What methods that drag by optimising at one noise level share: their fields, where they begin, what they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import MethodError
from scumble.inversion.settings import InversionSettings, InversionStart
from scumble.methods.cache import Key
from scumble.methods.drag.point_fields import PointFields
from scumble.methods.drag.points import GridPairs

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.drag.optimize import DragResult, DragSettings
    from scumble.methods.report import Report

__all__ = ["DRAGGED", "DragByOptimisation"]

DRAGGED: Key[tuple[Tensor | None, Report]] = Key("dragged")
"""The result in the model's space, and what was reported about it."""


class DragByOptimisation(PointFields):
    """Fields of methods that optimise at one noise level."""

    takes_inversion: ClassVar[bool] = True
    advice: ClassVar[str] = "raise --iterations or --learning-rate, drag in shorter pulls, or free more in the mask"

    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    """Steps N of a full run."""
    strength: float = Field(default=0.7, ge=0, le=1)
    """How deep into the noise the drag happens: more moves further and keeps less."""
    start: Literal["warp", "picture"] = "warp"
    """Where the optimisation begins: at the noisy picture pulled along the points, which moves whole things, or at the
    noisy picture itself, as published."""
    iterations: int = Field(default=80, ge=0, le=10000)
    """At most so many updates; long drags need more."""
    learning_rate: float = Field(default=0.02, gt=0, le=10)
    """Step of an update."""
    window: int = Field(default=1, ge=0, le=64)
    """Radius of the patch that is led along, in quarters of a latent cell."""
    radius: int = Field(default=3, ge=1, le=64)
    """Radius within which a point is looked for after an update, in quarters of a latent cell."""
    mask_weight: float = Field(default=0.1, ge=0)
    """Weight of the term that holds what the mask does not free."""
    inversion_iterations: int = Field(default=3, ge=1, le=100)
    """At most so many fixed-point iterations a level of the inversion; 1 is plain DDIM inversion."""
    inversion_start: InversionStart = "warm"
    """Where the inversion looks for each level first: warm is much more exact for the same cost, same as published."""
    lora_steps: int = Field(default=0, ge=0, le=10000)
    """Train a LoRA for the picture so long before dragging; kept, so that the next drag has it at once. 0: none."""
    lora_rank: int = Field(default=16, ge=1, le=256)
    """Rank of that LoRA."""
    lora_learning_rate: float = Field(default=5e-4, gt=0, le=1)
    """Learning rate of that LoRA."""
    frames: int = Field(default=0, ge=0, le=200)
    """Also make so many pictures of the way there."""
    compat: Literal["official"] | None = None
    """official: as the published code does; what differs is said where it does."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Drag once, under the first candidate's noise: nothing but the place that a pulled thing left is drawn."""
        same = "a drag is made once: all candidates are the same; another seed redraws what was uncovered"
        if batch.samples[1] > 1 and same not in batch.notices:
            batch.notices.append(same)

        def drag() -> tuple[Tensor | None, Report]:
            with self.prepared(batch) as single:
                return self.drag(single), single.report

        latent, report = batch.cache.get_or_make(DRAGGED, drag)
        batch.report.update(report)
        return None if latent is None else latent.expand(batch.shape)

    def drag(self, batch: EditBatch) -> Tensor | None:
        """Return the dragged picture in the model's space (1, C, h, w), or None when nothing is to change."""
        raise MethodError(f"{self.method_name()} does not drag by itself")

    @contextmanager
    def prepared(self, batch: EditBatch) -> Iterator[EditBatch]:
        """Yield the job of one candidate, with frozen weights and the picture's LoRA where one is asked for."""
        from scumble.methods.drag.optimize import frozen

        single = replace(batch, count=1, noise=batch.first_noise)
        if not self.lora_steps:
            with frozen(batch.model.denoiser):
                yield single
            return
        from scumble.methods.drag.lora import Adapter, adapted, train_lora  # peft takes a second to import

        adapter = Adapter(self.prompt, self.lora_steps, self.lora_rank, self.lora_learning_rate)
        told = self._counter(single, self.lora_steps)
        with batch.watch.phase("train", self.lora_steps, counts=False):
            cond = batch.embed(self.prompt)
            path = train_lora(batch.model, batch.picture, cond, adapter, on_step=told, cost=batch.cost)
        with adapted(batch.model.denoiser, path), frozen(batch.model.denoiser):
            yield single

    def plan(self, batch: EditBatch) -> InversionSettings:
        """The inversion to begin from: the one that was given, or deterministic and close to exact."""
        if self.compat == "official":
            return InversionSettings(
                kind="ddim",
                num_inference_steps=self.num_inference_steps,
                skip=1 - self.strength,
                prompt=self.prompt,
                tolerance=0.0,
                inversion_start="same",
            )
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

    def grid(self, batch: EditBatch) -> GridPairs:
        """The points on the supervision grid."""
        return self.on_grid(batch, GridPairs.as_published if self.compat == "official" else GridPairs.of)

    @property
    def pulls(self) -> bool:
        """Whether the optimisation begins at the pulled picture."""
        return self.start == "warp" and self.compat is None and self.iterations > 0

    def begin(self, batch: EditBatch, inversion: Inversion) -> Tensor:
        """x at the level of ``strength`` (1, C, h, w): the picture's, or the pulled picture's."""
        return self.pulled(batch, inversion) if self.pulls else inversion.x_at(inversion.first)

    def pulled(self, batch: EditBatch, inversion: Inversion) -> Tensor:
        """x of the picture pulled along the points: its clean part pulled as a picture, its noise cell by cell."""
        import torch
        import torch.nn.functional as F

        from scumble.methods.drag.warp import warp, warp_noise

        level, cell = inversion.levels[inversion.first], batch.model.factor
        mask = None if batch.change is None else batch.change.amax((0, 1))
        with torch.no_grad():
            picture = batch.model.encode(warp(batch.picture[0], self.field(batch), mask).image[None])
        eps = (inversion.x_at(inversion.first) - level.a * inversion.x0) / level.s
        coarse = None if mask is None else F.max_pool2d(mask[None, None], cell)[0, 0]
        fresh = batch.noise.normal(batch.shape, "uncovered", 0).to(eps.device)
        noise = warp_noise(eps[0], fresh[0], self.field(batch, cell=cell), coarse)
        return level.a * picture + level.s * noise[None]

    def settings(self, batch: EditBatch) -> DragSettings:
        """Numbers of the optimisation. The published code stops two grid steps before the target."""
        import torch

        from scumble.methods.drag.optimize import DragSettings

        official = self.compat == "official"
        return DragSettings(
            iterations=self.iterations,
            learning_rate=self.learning_rate,
            window=self.window,
            radius=self.radius,
            arrived=2.0 if official else 1.0,
            longest=None if official else 1.0,
            keep_every=max(self.iterations // self.frames, 1) if self.frames else 0,
            half=batch.model.dtype == torch.float16,
        )

    def keep_outside_map(self, batch: EditBatch, inversion: Inversion) -> list[Control]:
        """Keep the black part of the mask on the picture's own path; grey is freed later, white from the beginning."""
        import torch

        from scumble.controls.change_map import ChangeMap, release_index

        if batch.change is None or self.compat == "official":
            return []
        release = release_index(batch.latent_change("max"), inversion.steps, inversion.first)
        freed = torch.where(release < inversion.steps, release - 1, release)
        return [ChangeMap(freed, inversion, first=inversion.first)]

    def progress(self, batch: EditBatch) -> Callable[[int, DragResult], None]:
        """Tell the person about each iteration, and stop when they ask for it."""
        told = self._counter(batch, self.iterations)
        return lambda k, drag: told(k)

    def _counter(self, batch: EditBatch, total: int) -> Callable[[int], None]:
        def on_step(k: int) -> None:
            batch.tell(k + 1, total, batch.x0)

        return on_step

    def chosen(self, drag: DragResult) -> list[Tensor]:
        """Tensors of the frames of an animation, at most ``frames``, and last the result's."""
        states = drag.states[: self.frames]
        return [*(s for s in states if s is not drag.value), drag.value]

    def finished(self, batch: EditBatch, made: Tensor, drag: DragResult) -> Tensor:
        """Report the arrival, leave the frames for the editor, and return the result (1, C, h, w)."""
        import torch

        result = made[-1:]
        if self.frames:
            with torch.no_grad():
                batch.report.frames[:] = [batch.picture, *(batch.model.decode(row) for row in made.split(1))]
        points = self.arrival(batch, result, drag.handles)
        batch.report.say(points=points, iterations=drag.updates, supervision=self.site(batch))
        return result
