"""One call of the editor: its batches, one after the other, and the result they make together."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from scumble.core.cost import Cost
from scumble.core.loop import Stopped
from scumble.core.noise import CounterNoise
from scumble.editing.prepared import Prepared
from scumble.editing.result import Result
from scumble.errors import CancelledError, InputError, MemoryLimitError, MethodError
from scumble.file_field import named_files
from scumble.hashing import files_sha256, tensor_sha256
from scumble.images import Window, paste
from scumble.inversion.inversion import Inversion
from scumble.memory import PeakMemory
from scumble.methods.base import Candidates, ImageMethod, Method
from scumble.methods.batch import EditBatch
from scumble.methods.cache import Cache
from scumble.methods.progress import Progress
from scumble.models.base import Model
from scumble.records.metadata import without_folders
from scumble.records.recipe import Recipe, environment

if TYPE_CHECKING:
    from scumble.methods.extras.extras import Extra

__all__ = ["OnStep", "Run", "user_errors"]

OnStep = Callable[[Progress], bool | None]

MAX_SEED = 2**63 - 1


@dataclass
class Run:
    """One call of the editor: its batches, one after the other, and the result they make together.

    Attributes:
        model: The model.
        method: What to do.
        prepared: What the method sees.
        on_step: As for ``Editor.edit``.
        inversion: The image's inversion, where one was given.
        also: What is to act besides the method.
        cache: What batches share.
        cost: Running totals.
        notices: One-line remarks.
        reports: What the method reports about each candidate.
    """

    model: Model
    method: Method
    prepared: Prepared
    on_step: OnStep | None = None
    inversion: Inversion | None = None
    also: Sequence[Extra] = ()
    cache: Cache = field(default_factory=Cache)
    cost: Cost = field(default_factory=Cost)
    notices: list[str] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    frames: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with the remarks that preparing the image left."""
        self.notices = [*self.prepared.notices, *self.notices]

    def __call__(self, seed: int | None, count: int, batch_size: int | None, only: int | None = None) -> Result:
        """Make all candidates; see ``Editor.edit`` for the arguments and errors.

        Args:
            seed: Of the first candidate.
            count: How many candidates the edit has.
            batch_size: How many are made at once.
            only: Make this candidate alone, just as the whole edit makes it.
        """
        if count < 1:
            raise InputError(f"count must be 1 or more, got {count}")
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be 1 or more, got {batch_size}")
        seed = secrets.randbits(31) if seed is None else seed
        if not 0 <= seed <= MAX_SEED - count:
            raise InputError(f"seed must be 0 to {MAX_SEED - count}, got {seed}")
        size = min(count, batch_size or 8)
        images: list[Image.Image] = []
        started = time.perf_counter()
        with PeakMemory(self.model.device) as memory, user_errors(size, self.prepared.window):
            for first in range(0, count, size):
                if only is None or first <= only < first + size:
                    images += self._batch(seed, first, min(first + size, count))
            if only is None:
                images = self._ordered(images)
            else:
                images, self.reports = [images[only % size]], [{**self.reports[only % size], "candidate": only}]
        self.cost.seconds, self.cost.peak_bytes = time.perf_counter() - started, memory.peak
        recipe = self._recipe(seed, count, size)
        frames = [self._finish(image, 0) for frame in self.frames for image in self.prepared.back(frame)]
        picture, change = self.prepared.picture, self.prepared.change
        return Result(images, recipe, self.cost, self.notices, self.reports, picture, change, frames)

    def _batch(self, seed: int, first: int, stop: int) -> list[Image.Image]:
        batch = EditBatch(
            model=self.model,
            noise=CounterNoise([seed + k for k in range(first, stop)]),
            count=stop - first,
            size=self.prepared.window.size,
            image=self.prepared.image,
            change=self.prepared.change_of(first, stop),
            cost=self.cost,
            on_step=self.on_step,
            samples=(first, stop),
            cache=self.cache,
            notices=self.notices,
            inversion=self.inversion,
            window=self.prepared.window,
            edit_noise=CounterNoise([seed]),
            substeps=self.method.divides_steps if isinstance(self.method, ImageMethod) else False,
        )
        self.method.check(batch)
        if self.also:
            from scumble.methods.extras.controls import extra_controls

            batch.extra = extra_controls(batch, self.method.first_prompt, self.also)
        latent = None if self.prepared.untouched else self.method.run(batch)
        if latent is None:
            self.reports += [batch.report.of(k) for k in range(batch.count)]
            return self._unchanged(batch)
        with torch.no_grad():
            pictures = self.method.decode(batch, latent)
        self.reports += [batch.report.of(k) for k in range(batch.count)]
        self.frames = self.frames or batch.report.frames
        return [self._finish(image, first + k) for k, image in enumerate(self.prepared.back(pictures))]

    def _unchanged(self, batch: EditBatch) -> list[Image.Image]:
        """The image itself, once for every candidate."""
        if self.prepared.untouched and batch.samples[0] == 0:
            self.notices.append("the change map is 0 everywhere: the picture is returned as it is")
        if self.prepared.picture is None:
            raise MethodError(f"{self.method.method_name()} made nothing, and there is no picture to return")
        picture = self.prepared.picture
        return [picture.with_alpha(picture.rgb.copy()) for _ in range(batch.count)]

    def _ordered(self, images: list[Image.Image]) -> list[Image.Image]:
        """Let the method look at all candidates together; it may choose and order them."""
        picture, device = self.prepared.picture, torch.device(self.model.device)
        source = None if picture is None else picture.rgb
        candidates = Candidates(images, source, self.prepared.change, self.reports, self.notices, self.cache, device)
        order = self.method.finish(candidates)
        if order is None:
            return images
        self.reports = [{**self.reports[k], "candidate": k} for k in order]
        return [images[k] for k in order]

    def _finish(self, image: Image.Image, index: int) -> Image.Image:
        """Bring back what must not change: pixels under a zero map, and the alpha channel."""
        picture, change = self.prepared.picture, self.prepared.change
        if picture is None:
            return image
        if change is not None and self.method.keeps_outside:
            change = change if change.shape[0] == 1 else change[index : index + 1]
            image = paste(image, picture.rgb, change, feather=self.method.feathered)
        return picture.with_alpha(image)

    def _recipe(self, seed: int, count: int, batch_size: int) -> Recipe:
        picture, change = self.prepared.picture, self.prepared.change
        return Recipe(
            method=self.method.method_name(),
            parameters=without_folders(self.method.model_dump(mode="json")),
            seed=seed,
            count=count,
            batch_size=batch_size,
            size=self.prepared.window.original,
            input=None if picture is None else {"name": picture.path_name or "", "sha256": picture.sha256},
            change_map=None if change is None else {"name": self.method.map_name, "sha256": tensor_sha256(change)},
            model={"name": self.model.name, "sha256": self.model.weights_hash},
            environment=environment(str(self.model.device), str(self.model.dtype).split(".")[-1]),
            files=self._files(),
            also=[{"kind": one.kind, **without_folders(one.model_dump(mode="json"))} for one in self.also],
        )

    def _files(self) -> dict[str, dict[str, str]]:
        """Name and content of the other files that method and extras name, by their place."""
        named = [*named_files(self.method)]
        named += [file for k, one in enumerate(self.also) for file in named_files(one, f"also.{k}.")]
        paths = {file.place: Path(file.path) for file in named}
        return {
            place: {"name": path.name, "sha256": files_sha256([path])}
            for place, path in paths.items()
            if path.is_file()
        }


@contextmanager
def user_errors(count: int, window: Window) -> Iterator[None]:
    """Turn a stop and an exhausted device into errors that say what to do."""
    try:
        yield
    except Stopped as error:
        raise CancelledError("stopped on request; nothing was written") from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise MemoryLimitError(_memory_advice(count, window)) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "out of memory" in str(error):
            raise MemoryLimitError(_memory_advice(count, window)) from error
        raise


def _memory_advice(count: int, window: Window) -> str:
    width, height = window.size
    return (
        f"out of memory at {width}x{height} with {count} pictures at once: lower --batch-size"
        " (or batch_size=), use a smaller picture, or --dtype float16 on a GPU"
    )
