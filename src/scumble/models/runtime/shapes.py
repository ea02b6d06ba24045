"""One converted network compiled for the shapes that recur, and once more for all others.

With batch and size free OpenVINO leaves operations unfused: 20.4 against 16.4 ms for two rows of the bundled U-Net, in
bfloat16 13.4 against 10.2. Compiling takes .4 s either way. Which of the two answers is decided from the run alone,
never from what was compiled before: the same request gives the same bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from scumble.models.base import Model

__all__ = ["HINTS", "Graphs", "RunShapes"]

HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""Precisions as OpenVINO names them."""

LONG = 16
"""Steps from which any size of a run is worth its own graph; below it the model's own size alone."""

MOST = 4
"""Shapes of the denoiser that get graphs of their own in one run."""

KEPT = 8
"""Graphs of a network that stay in memory; another one is compiled again when it comes back."""

LARGE = 400_000_000
"""Parameters from which a network has one graph for all shapes: each graph holds the weights once more."""


class RunShapes:
    """Which shapes recur in one run.

    Args:
        model: Whose own size recurs in any run.
        steps: Of the run.
    """

    def __init__(self, model: Model, steps: int) -> None:
        self._own = {model.native_size, model.native_size // model.factor}
        self._long = steps >= LONG
        self._large = sum(one.numel() for one in model.denoiser.parameters()) >= LARGE
        self._known: list[tuple[int, ...]] = []

    def recurs(self, part: str, shape: tuple[int, ...]) -> bool:
        """Return whether a network gets a graph for this shape of its first input.

        Words come once and in any number. What is encoded may be used by a run of another length, so that there only
        the model's own size counts.
        """
        is_latent = len(shape) == 4 and set(shape[2:]) <= self._own
        if self._large or not (is_latent or (self._long and part == "denoiser")):
            return False
        if part != "denoiser":
            return True
        if shape not in self._known:
            self._known.append(shape)
        return self._known.index(shape) < MOST


class Graphs:
    """The compiled forms of one converted network.

    Args:
        core: OpenVINO's entry.
        graph: The network with free batch and size.
        precision: What it computes in.
    """

    def __init__(self, core: Any, graph: Any, precision: str) -> None:
        self._core, self._graph, self._precision = core, graph, precision
        self._free: Any = None
        self._fixed: OrderedDict[tuple[tuple[int, ...], ...], Any] = OrderedDict()

    def of(self, shapes: Sequence[tuple[int, ...]], recurs: bool) -> Any:
        """Return the network compiled for inputs of these shapes where they recur, else for any."""
        if not recurs:
            if self._free is None:
                self._free = self._compiled(self._graph)
            return self._free
        key = tuple(shapes)
        if key not in self._fixed:
            fixed = self._graph.clone()
            fixed.reshape(dict(zip(fixed.inputs, map(list, shapes), strict=True)))
            self._fixed[key] = self._compiled(fixed)
        self._fixed.move_to_end(key)
        if len(self._fixed) > KEPT:
            self._fixed.popitem(last=False)
        return self._fixed[key]

    def _compiled(self, graph: Any) -> Any:
        hints = {
            "INFERENCE_PRECISION_HINT": HINTS[self._precision], "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # two workers would be pinned to the same core
        }  # fmt: skip
        return self._core.compile_model(graph, "CPU", hints)
