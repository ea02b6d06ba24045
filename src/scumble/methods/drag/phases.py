"""The phases of a drag by optimization, and what they begin with and keep."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import Tensor

from scumble.controls.change_map import ChangeMap, release_index
from scumble.core.control import Control
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import EditBatch
from scumble.methods.cache import Key
from scumble.methods.drag.arrival import report_arrival
from scumble.methods.drag.optimization_fields import DragByOptimization
from scumble.methods.drag.settings import DragResult
from scumble.methods.drag.supervision import supervision_site
from scumble.methods.report import Report
from scumble.models.frozen import frozen

__all__ = ["DRAGGED", "dragged", "frame_values", "keep_outside_mask", "outside_mask", "progress"]

DRAGGED: Key[tuple[Tensor | None, Report]] = Key("dragged")
"""The result in the model's space, and what was reported about it."""


def dragged(
    batch: EditBatch,
    method: DragByOptimization,
    invert: Callable[[EditBatch], Inversion],
    optimize: Callable[[EditBatch, Inversion], DragResult],
    denoise: Callable[[EditBatch, Inversion, DragResult], Tensor],
) -> Tensor | None:
    """Invert, optimize, denoise and report one candidate; all others are equal to it.

    Weights are frozen, with the image's LoRA where one is asked for. Candidates could only differ in the noise of the
    area that a drag uncovers.

    Args:
        batch: All candidates.
        method: The fields.
        invert: Returns the path back to the image.
        optimize: Moves the features at the step of ``strength``.
        denoise: Returns latents from there, those of the frames and last the result (F, C, h, w).

    Returns:
        (B, C, h, w), or None where ``strength`` leaves no step.
    """
    same = (
        "a drag is made once, with the first seed: all candidates are the same; another seed redraws what was uncovered"
    )
    if batch.samples[1] > 1 and same not in batch.notices:
        batch.notices.append(same)

    def run() -> tuple[Tensor | None, Report]:
        single = replace(batch, count=1, noise=batch.first_noise)
        with ExitStack() as stack:
            if method.lora_steps:
                from scumble.methods.drag.lora import train_lora
                from scumble.methods.drag.lora_file import Adapter
                from scumble.methods.drag.lora_layers import adapted  # peft takes a second to import

                adapter = Adapter(method.prompt, method.lora_steps, method.lora_rank, method.lora_learning_rate)
                on_step = progress(single, method.lora_steps)
                with batch.watch.phase("train", method.lora_steps, counts=False):
                    cond = batch.embed(method.prompt)
                    path = train_lora(batch.model, batch.picture, cond, adapter, on_step=on_step, cost=batch.cost)
                stack.enter_context(adapted(batch.model.denoiser, path))
            stack.enter_context(frozen(batch.model.denoiser))
            inversion = invert(single)
            if inversion.first == inversion.steps:
                return None, single.report
            with single.watch.phase("optimize", method.iterations, counts=False):
                drag = optimize(single, inversion)
            return _reported(single, method, denoise(single, inversion, drag), drag), single.report

    latent, report = batch.cache.get_or_make(DRAGGED, run)
    batch.report.update(report)
    return None if latent is None else latent.expand(batch.shape)


def outside_mask(batch: EditBatch) -> Tensor | None:
    """1 where the mask holds the latent (1, 1, h, w), else 0; None without a mask."""
    return None if batch.change is None else 1 - (batch.latent_change("max") > 0).float()


def keep_outside_mask(batch: EditBatch, inversion: Inversion) -> list[Control]:
    """Keep the black part of the mask on the image's own path; gray is freed later, white from the beginning."""
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
    return torch.cat([*(state for state in drag.states[:frames] if state is not drag.value), drag.value])


def _reported(batch: EditBatch, method: DragByOptimization, latents: Tensor, drag: DragResult) -> Tensor:
    """Report arrivals and frames, and return the last of the latents, the result (1, C, h, w)."""
    result = latents[-1:]
    if method.frames:
        with torch.no_grad():
            batch.report.frames[:] = [batch.picture, *(batch.model.decode(row) for row in latents.split(1))]
    points = report_arrival(batch, method.pairs(batch), method.prompt, method.advice, result, drag.handles)
    site = supervision_site(batch.model.denoiser)
    batch.report.say(points=points, iterations=drag.updates, supervision=site)
    return result
