"""Published quirks, for comparison only: one file a method, run in its place when ``compat`` names a preset.

Each file has ``PRESETS``, the name of a preset -> the function that runs it: ``run(method, batch)``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["with_presets"]

Self = TypeVar("Self", bound=Any)
Run = Callable[[Self, "EditBatch"], "Tensor | None"]


def with_presets(run: Run[Self]) -> Run[Self]:
    """Decorate a method's ``run``: its ``compat`` field, if given, selects a preset from the file of the same name."""
    name = run.__module__.rpartition(".")[2]

    @wraps(run)
    def run_or_preset(self: Self, batch: EditBatch) -> Tensor | None:
        if self.compat is None:
            return run(self, batch)
        preset: Run[Self] = importlib.import_module(f"{__name__}.{name}").PRESETS[self.compat]
        return preset(self, batch)

    return run_or_preset
