"""One call of the editor: its batches, one after the other, and the result they make together."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from scumble.core.cost import Cost
from scumble.core.loop import Stopped
from scumble.core.noise import CounterNoise
from scumble.editing.result import Result
from scumble.errors import CancelledError, InputError, MemoryLimitError
from scumble.file_field import named_files
from scumble.hashing import files_sha256, tensor_sha256
from scumble.images import Fit, Picture, paste, to_image
from scumble.inversion.inversion import Inversion
from scumble.memory import PeakMemory
from scumble.methods.base import Candidates, Method
from scumble.methods.batch import EditBatch
from scumble.methods.progress import Progress
from scumble.models.base import Model
from scumble.records.metadata import without_folders
from scumble.records.recipe import Recipe, environment

if TYPE_CHECKING:
    from scumble.methods.extras.extras import Extra

__all__ = ["OnStep", "Run", "user_errors"]

OnStep = Callable[[Progress], bool | None]

MAX_SEED = 2**63 - 1


class Run:
    """One call of the editor: its batches, one after the other, and the result they make together."""

    def __init__(
        self,
        model: Model,
        method: Method,
        picture: Picture | None,
        change: Tensor | None,
        tensor: Tensor | None,
        small: Tensor | None,
        place: Fit,
        notices: list[str],
        on_step: OnStep | None,
        inversion: Inversion | None = None,
        also: Sequence[Extra] = (),
    ) -> None:
        self.model, self.method, self.picture, self.change = model, method, picture, change
        self.tensor, self.small, self.place, self.notices = tensor, small, place, notices
        self.on_step, self.inversion, self.also = on_step, inversion, tuple(also)
        self.cost, self.shared = Cost(), dict[str, Any]()
        self.reports: list[dict[str, Any]] = []

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
        with PeakMemory(self.model.device) as memory, user_errors(size, self.place):
            for first in range(0, count, size):
                if only is None or first <= only < first + size:
                    images += self._batch(seed, first, min(first + size, count))
            if only is None:
                images = self._ordered(images)
            else:
                images, self.reports = [images[only % size]], [{**self.reports[only % size], "candidate": only}]
        self.cost.seconds, self.cost.peak_bytes = time.perf_counter() - started, memory.peak
        recipe = self._recipe(seed, count, size)
        frames = [
            self._finish(image, 0)
            for made in self.shared.get("frames", ())
            for image in to_image(self.place.undo(made.cpu()))
        ]
        return Result(images, recipe, self.cost, self.notices, self.reports, self.picture, self.change, frames)

    def _batch(self, seed: int, first: int, stop: int) -> list[Image.Image]:
        noise = CounterNoise([seed + k for k in range(first, stop)])
        batch = EditBatch(
            model=self.model,
            noise=noise,
            count=stop - first,
            size=self.place.size,
            image=self.tensor,
            change=self.small if self.small is None or self.small.shape[0] == 1 else self.small[first:stop],
            cost=self.cost,
            on_step=self.on_step,
            samples=(first, stop),
            shared=self.shared,
            notices=self.notices,
            inversion=self.inversion,
            place=self.place,
            edit_noise=CounterNoise([seed]),
        )
        self.method.check(batch)
        if self.also:
            from scumble.methods.extras.controls import extra_controls

            batch.extra = extra_controls(batch, self.method.first_prompt, self.also)
        nothing = self.change is not None and not bool(self.change.any())
        made = None if nothing else self.method.run(batch)
        if made is not None:
            with torch.no_grad():
                decoded = self.method.decode(batch, made)
        self.reports += [
            {k: v[n] if isinstance(v, list) else v for k, v in batch.report.items()} for n in range(batch.count)
        ]
        if made is None:
            if nothing and first == 0:
                self.notices.append("the change map is 0 everywhere: the picture is returned as it is")
            assert self.picture is not None
            return [self.picture.with_alpha(self.picture.rgb.copy()) for _ in range(batch.count)]
        return [self._finish(image, first + k) for k, image in enumerate(to_image(self.place.undo(decoded.cpu())))]

    def _ordered(self, images: list[Image.Image]) -> list[Image.Image]:
        """Let the method look at all candidates together; it may choose and order them."""
        device, source = torch.device(self.model.device), None if self.picture is None else self.picture.rgb
        finished = Candidates(images, source, self.change, self.reports, self.notices, self.shared, device)
        order = self.method.finish(finished)
        if order is None:
            return images
        self.reports = [{**self.reports[k], "candidate": k} for k in order]
        return [images[k] for k in order]

    def _finish(self, image: Image.Image, index: int) -> Image.Image:
        """Bring back what must not change: pixels under a zero map, and the alpha channel."""
        if self.picture is None:
            return image
        if self.change is not None and getattr(self.method, "enforce_background", True):
            own = self.change if self.change.shape[0] == 1 else self.change[index : index + 1]
            image = paste(image, self.picture.rgb, own, feather=getattr(self.method, "feather", 0))
        return self.picture.with_alpha(image)

    def _recipe(self, seed: int, count: int, batch_size: int) -> Recipe:
        picture, change = self.picture, self.change
        return Recipe(
            method=self.method.method_name(),
            parameters=without_folders(self.method.model_dump(mode="json")),
            seed=seed,
            count=count,
            batch_size=batch_size,
            size=self.place.original,
            input=None if picture is None else {"name": picture.path_name or "", "sha256": picture.sha256},
            change_map=None if change is None else {"name": self._map_name(), "sha256": tensor_sha256(change)},
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

    def _map_name(self) -> str:
        given = getattr(self.method, "change_map", None)
        return Path(given).name if isinstance(given, str | Path) else ""


@contextmanager
def user_errors(count: int, place: Fit) -> Iterator[None]:
    """Turn a stop and an exhausted device into errors that say what to do."""
    try:
        yield
    except Stopped as error:
        raise CancelledError("stopped on request; nothing was written") from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise MemoryLimitError(_memory_advice(count, place)) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error) or "out of memory" in str(error):
            raise MemoryLimitError(_memory_advice(count, place)) from error
        raise


def _memory_advice(count: int, place: Fit) -> str:
    width, height = place.size
    return (
        f"out of memory at {width}x{height} with {count} pictures at once: lower --batch-size"
        " (or batch_size=), use a smaller picture, or --dtype float16 on a GPU"
    )
