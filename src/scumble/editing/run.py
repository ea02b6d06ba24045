"""One run of a method in one window: batches of candidates, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scumble.core.cost import Cost
from scumble.core.noise import CounterNoise, NoiseSource
from scumble.editing.finish import finished
from scumble.editing.prepared import Original, Prepared
from scumble.editing.window_noise import WindowNoise
from scumble.editing.windows import PHOTOGRAPHS
from scumble.errors import MethodError
from scumble.images import Window, psnr, to_bytes
from scumble.images.tensors import check_finite
from scumble.inversion.inversion import Inversion
from scumble.methods.base import ImageMethod
from scumble.methods.batch import EditBatch
from scumble.methods.cache import Cache, Key
from scumble.methods.given_text import given_text
from scumble.methods.method import Method
from scumble.methods.report import Report
from scumble.methods.reuse import Reuse
from scumble.methods.watch import OnStep, Watch
from scumble.models.base import Model
from scumble.models.loading import BUNDLED
from scumble.records.view import View

if TYPE_CHECKING:
    from scumble.methods.extras.extra import Extra

__all__ = ["OnStep", "Run", "before_call"]

Pixels = npt.NDArray[np.uint8]

SAME = "nothing random enters this edit: all candidates are the same, and were made once"
MADE: Key[tuple[Tensor | None, Report]] = Key("the one that all candidates are")
DOUBTFUL = 24.0
"""PSNR in dB below which a small model's own autoencoder says that it has never seen such a picture."""


class Run:
    """A method at work in one window.

    Args:
        model: The model.
        method: The method.
        prepared: What goes in.
        view: How the edit looks at the picture.
        feather: Pixels over which results fade in.
        cost: Running totals of the edit.
        notices: Gets one-line remarks.
        watch: Who looks on.
        inversion: The picture's inversion in this window, when one was given.
        also: Extra guidance on top of the method.
        part: Which of how many windows it is.
        cache: What batches share, and what other windows share with this one; None: nothing yet.
        reuse: What earlier edits made.
    """

    def __init__(
        self,
        model: Model,
        method: Method,
        prepared: Prepared,
        view: View,
        feather: int,
        cost: Cost,
        notices: list[str],
        watch: Watch | None = None,
        inversion: Inversion | None = None,
        also: Sequence[Extra] = (),
        part: tuple[int, int] = (0, 1),
        cache: Cache | None = None,
        reuse: Reuse | None = None,
    ) -> None:
        self.model, self.method, self.prepared, self.view = model, method, prepared, view
        self.feather, self.cost, self.notices, self.asked = feather, cost, notices, watch or Watch()
        self.watch = Watch(None if self.asked.on_step is None else self._telling(self.asked.on_step), self.asked.cancel)
        self.inversion, self.also, self.part = inversion, tuple(also), part
        self.cache, self.frame_pictures = cache or Cache(), list[Tensor]()
        self.reuse = reuse or Reuse()
        self._frame_batch: EditBatch | None = None
        self.reports: list[dict[str, Any]] = []
        self.used: dict[str, Any] = {}
        self._rebuilt: Tensor | None = None
        notices += [remark for remark in self.model.remarks if remark not in notices]

    def __call__(self, seed: int, first: int, stop: int) -> list[Pixels]:
        """Make the candidates ``first`` to ``stop``; each is finished by itself, in the window's box (h, w, 3)."""
        prepared, noise = self.prepared, CounterNoise([seed + k for k in range(first, stop)])
        original = prepared.original
        small = prepared.small_change
        batch = EditBatch(
            model=self.model,
            noise=self._noise(noise),
            count=stop - first,
            size=prepared.window.size,
            image=prepared.image,
            change=_rows(small, first, stop),
            cost=self.cost,
            samples=(first, stop),
            cache=self.cache,
            notices=self.notices,
            inversion=self.inversion,
            window=prepared.window,
            pixels=None if original is None else original.pixels,
            pixels_change=prepared.change,
            edit_noise=self._noise(CounterNoise([seed])),
            watch=self.watch,
            used=self.used,
            reuse=self.reuse,
            placed=[(place.words, _rows(place.map, first, stop)) for place in prepared.places],
            text=given_text(
                self.model, self.method, self.also, "" if self.inversion is None else self.inversion.prompt
            ),
            places=getattr(self.method, "places", "latent"),
            lead=getattr(self.method, "lead", 0.0),
            guider=getattr(self.method, "guider", "cfg"),
            substeps=self.method.divides_steps if isinstance(self.method, ImageMethod) else False,
        )
        self.cost.before_call = before_call(batch)
        self.method.check(batch)
        if self.also:
            from scumble.methods.extras.controls import extra_controls

            batch.extra = extra_controls(batch, self.method.first_prompt, self.also)
        nothing = prepared.change is not None and not bool(prepared.change.any())
        latent = None if nothing else self._made(batch)
        if self.model.image_prompt is not None and not nothing and "image prompt" not in batch.heeded:
            self._say_unheeded()
        if latent is not None:
            with torch.no_grad(), self.watch.phase("decode"):
                decoded = self._decoded(batch, latent).cpu()
        self.reports += [batch.report.of(k) for k in range(batch.count)]
        if batch.report.frames and not self.frame_pictures:
            self.frame_pictures, self._frame_batch = batch.report.frames, batch
        if latent is None:
            return self._unchanged(batch, nothing)
        return [self._finished(decoded[k : k + 1], batch, first + k) for k in range(batch.count)]

    def _say_unheeded(self) -> None:
        remark = f"{self.method.method_name()} does not follow image prompts: the IP-Adapter had no effect"
        if remark not in self.notices:
            self.notices.append(remark)

    def _made(self, batch: EditBatch) -> Tensor | None:
        """The result of the method; of candidates that are all the same the first one, made once per edit."""
        one_map = batch.change is None or batch.change.shape[0] == 1
        one_place = all(place is None or place.shape[0] == 1 for _, place in batch.placed)
        if self.also or not (one_map and one_place) or not self.method.draws_nothing(batch):
            return self.method.run(batch)
        if batch.samples[1] > 1 and SAME not in self.notices:
            self.notices.append(SAME)

        def run() -> tuple[Tensor | None, Report]:
            single = replace(batch, count=1, noise=batch.first_noise, report=Report())
            return self.method.run(single), single.report

        latent, report = batch.cache.get_or_make(MADE, run)
        batch.report.update(report)
        return None if latent is None else latent.expand(batch.shape)

    def _decoded(self, batch: EditBatch, latent: Tensor) -> Tensor:
        """The images; rows that are one and the same are decoded once."""
        if latent.shape[0] > 1 and latent.stride(0) == 0:
            single = replace(batch, count=1)
            return self.method.decode(single, latent[:1]).expand(batch.count, -1, -1, -1)
        return self.method.decode(batch, latent)

    def _unchanged(self, batch: EditBatch, nothing: bool) -> list[Pixels]:
        """The picture itself, once for every candidate."""
        if nothing and batch.samples[0] == 0:
            self.notices.append("the change map is 0 everywhere: the picture is returned as it is")
        if self.prepared.original is None:
            raise MethodError(f"{self.method.method_name()} made nothing, and there is no picture to return")
        return [self.prepared.original.pixels] * batch.count

    def _noise(self, noise: NoiseSource) -> NoiseSource:
        return noise if self.part[0] == 0 else WindowNoise(noise, f"@{self.part[0]}")

    def frames(self) -> list[Pixels]:
        """The pictures of the way there, where the method makes them."""
        batch = self._frame_batch
        if self.prepared.original is None or batch is None:
            return []
        return [
            self._finished(one[k : k + 1].cpu(), batch, 0) for one in self.frame_pictures for k in range(one.shape[0])
        ]

    def _finished(self, decoded: Tensor, batch: EditBatch, index: int) -> Pixels:
        check_finite(decoded)
        prepared, original, enforce = self.prepared, self.prepared.original, self.method.keeps_outside
        if original is None:
            rows = to_bytes(prepared.window.undo(decoded))[0]
            return np.ascontiguousarray(rows.permute(1, 2, 0).numpy())
        strength = float(getattr(self.method, "strength", 1.0)) if self.method.strength_is_global else 1.0
        detail = self._pulled(batch)
        if batch.fresh is not None and original.fresh is None and detail is None:
            original = replace(original, fresh=_at_size(batch.fresh, prepared.window))
        keeps = self.view.detail == "keep" and not self.method.needs_no_network
        rebuilt = self._again(batch, detail) if keeps else None
        pixels, moved = finished(
            decoded, prepared, original, rebuilt, self.view, strength, index, self.feather, enforce, detail
        )
        if self.view.match_border and index == 0:
            self._tell_border(moved)
        return pixels

    def _tell_border(self, moved: float) -> None:
        if self.prepared.change is None or bool((self.prepared.change > 0).all()):
            self.notices.append("there is no border to match: the whole picture was edited")
        else:
            self.notices.append(f"colors at the border were matched (up to {round(255 * moved)} of 255)")

    def _pulled(self, batch: EditBatch) -> Original | None:
        """The picture that the method started from, where it is not the one that was given."""
        if batch.started_from is None:
            return None
        pixels, fresh = batch.started_from
        reduced = self.prepared.window.within().apply_pixels(pixels)
        return Original(pixels, reduced, reduced, fresh)

    def _again(self, batch: EditBatch, detail: Original | None) -> Tensor:
        """What the model makes of the untouched window, once per run."""
        if self._rebuilt is None:
            self._rebuilt = self._decoded_again(batch, detail)
            self._tell_kind(self._rebuilt, batch.picture if detail is None else detail.image)
        return self._rebuilt

    def _decoded_again(self, batch: EditBatch, detail: Original | None) -> Tensor:
        def decoded(x0: Tensor) -> Tensor:
            batch.watch.ask()
            return self.model.decode(x0).cpu()

        batch.watch.ask()
        with torch.no_grad():
            if detail is None:
                return batch.reused("rebuilt picture", (), lambda: decoded(batch.x0))
            return decoded(self.model.encode(detail.image.to(self.model.device)))

    def _tell_kind(self, rebuilt: Tensor, picture: Tensor) -> None:
        """Say so where a small model rebuilds the picture so badly that it can never have seen its like."""
        if self.model.factor == 1 or self.model.native_size >= PHOTOGRAPHS or self.part[0] > 0:
            return
        quality = psnr(rebuilt.clamp(-1, 1), picture.cpu(), 2)
        if quality < DOUBTFUL:
            why = "has only seen drawn solids" if self.model.name in BUNDLED else "is small and knows no such pictures"
            self.notices.append(
                f"this model {why}: it rebuilds this picture with {quality:.0f} dB, so expect no photograph; --model"
                " takes a checkpoint"
            )

    def _telling(self, on_step: OnStep) -> OnStep:
        """The user's callback, told in which window the edit is."""
        return lambda progress: on_step(replace(progress, window=self.prepared.window, part=self.part))


def _rows(maps: Tensor | None, first: int, stop: int) -> Tensor | None:
    """The maps of some candidates, where each has one of its own."""
    return maps if maps is None or maps.shape[0] == 1 else maps[first:stop]


def _at_size(fresh: Tensor, window: Window) -> npt.NDArray[np.bool_]:
    """A mask at the model's size (1 or B, 1, H, W) -> (h, w) in the window's box."""
    small = window.unpadded(fresh.cpu()).any(dim=0)[0].float()[None, None]
    width, height = window.box_size
    return torch.nn.functional.interpolate(small, size=(height, width), mode="nearest")[0, 0].numpy() > 0


def before_call(batch: EditBatch) -> Callable[[], None]:
    """What happens before each network call: whoever looks on is asked, and told in phases where calls are steps.

    The runtime learns the phase.
    """
    runtime = batch.model.runtime

    def x0() -> Tensor:
        return batch.x0 if batch.image is not None else torch.zeros(batch.shape, device=batch.model.device)

    def called() -> None:
        batch.watch.called(batch.samples, x0, batch.model)
        if runtime is not None:
            runtime.answers.called(batch.watch.stage)

    return called
