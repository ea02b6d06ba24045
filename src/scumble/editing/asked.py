"""The request for one edit: model, method, candidates, view."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scumble.errors import InputError
from scumble.inversion.inversion import Inversion
from scumble.methods.method import Method
from scumble.methods.reuse import Reuse
from scumble.methods.watch import Cancel, OnStep, Watch
from scumble.models.base import Model
from scumble.records.view import View, WindowRecord

if TYPE_CHECKING:
    from scumble.methods.extras.extra import Extra

__all__ = ["Edit"]

MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Edit:
    """The request for one edit.

    Attributes:
        model: The model.
        method: The method.
        seed: Of the first candidate; None draws one.
        count: Number of candidates.
        batch_size: Candidates at once; None: up to 8.
        view: How it looks at the picture.
        on_step: Called after each step.
        also: Extra guidance on top of the method.
        inversion: The picture's inversion, or None.
        fresh: (H, W) of the picture, where it was filled in and is no source of detail; or None.
        windows: The windows of a recipe that is made again.
        only: Make this candidate alone, just as the whole edit makes it; None: all.
        cancel: Asked before each network call whether to stop.
        exact_batch: Whether the batch size is 1 for the sake of the last bit.
        reuse: What earlier edits made of the picture.
    """

    model: Model
    method: Method
    seed: int | None = None
    count: int = 1
    batch_size: int | None = None
    view: View = field(default_factory=View)
    on_step: OnStep | None = None
    also: Sequence[Extra] = ()
    inversion: Inversion | None = None
    fresh: npt.NDArray[np.bool_] | None = None
    windows: Sequence[WindowRecord] = ()
    only: int | None = None
    cancel: Cancel | None = None
    exact_batch: bool = False
    reuse: Reuse = field(default_factory=Reuse)

    @property
    def watch(self) -> Watch:
        """Who looks on."""
        return Watch(self.on_step, self.cancel)

    def numbers(self) -> tuple[int, int, int]:
        """Seed, number of candidates and size of a batch, checked.

        Raises:
            InputError: If one is out of its range.
        """
        if self.count < 1:
            raise InputError(f"count must be 1 or more, got {self.count}")
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"batch_size must be 1 or more, got {self.batch_size}")
        seed = secrets.randbits(31) if self.seed is None else self.seed
        if not 0 <= seed <= MAX_SEED - self.count:
            raise InputError(f"seed must be 0 to {MAX_SEED - self.count}, got {seed}")
        return seed, self.count, min(self.count, self.batch_size or 8)

    def batches(self) -> list[tuple[int, int]]:
        """First and last + 1 of the candidates of each batch that is to be made."""
        _, count, size = self.numbers()
        all_of_them = [(first, min(first + size, count)) for first in range(0, count, size)]
        return [one for one in all_of_them if self.only is None or one[0] <= self.only < one[1]]
