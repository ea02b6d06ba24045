"""Memory that a method declares, turned into bytes by one formula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scumble.core.cost import Cost
    from scumble.models.footprint import NetworkMemory

__all__ = ["Footprint"]

PICTURES = 6.0
"""Copies in float32 of a picture at the model's size that an edit holds for each candidate, map and residual too."""

ROWS_ON_CPU, ENDS_ON_CPU, GRAPHS_ON_CPU, LIBRARIES_ON_CPU = 1.25, 1.3, 1.7, 50e6
"""Factors of what tensors hold on a processor, and bytes in any case: its convolutions work on copies in a layout of
their own, and the memory of the autoencoder stays reserved while the network runs. Fitted to ``python -m benchmarks
plan_memory`` on the bundled model and to Stable Diffusion's structure at half width. On a GPU tensors are all that is
counted; that was never measured."""


@dataclass(frozen=True)
class Footprint:
    """Memory that a run of a method keeps, besides the rows of the network that are counted.

    Attributes:
        path: Tensors of x's size for each step (a stored path 1, its noise and residuals 2 more).
        each_its_own: Whether every candidate has a path of its own.
        graph: Share of the network that a gradient goes back through (of a dragged bottleneck: the decoder half).
        features: What is kept of the activations of each step, as a share of what a row takes.
        through_decoder: Decoders whose graph is alive at once in a step's gradient.
    """

    path: int = 0
    each_its_own: bool = False
    graph: float = 1.0
    features: float = 0.0
    through_decoder: int = 0

    def bytes(self, network: NetworkMemory, widest: Cost, steps: int, count: int) -> int:
        """Return the peak above the weights, in bytes.

        Args:
            network: What a row and a picture take.
            widest: Most rows of one call, and of one gradient.
            steps: N.
            count: Candidates at once.
        """
        rows = network.row * widest.widest
        if network.model.device.type == "cpu":
            graphs, busy = GRAPHS_ON_CPU, [ROWS_ON_CPU * rows + ENDS_ON_CPU * network.ends + LIBRARIES_ON_CPU]
        else:
            graphs, busy = 1.0, [float(rows), float(network.ends)]
        if widest.widest_gradient or self.through_decoder:
            graph = self.graph * network.graph
            decoders = network.decoder_graph * self.through_decoder * count
            busy.append(graphs * (graph * widest.widest_gradient + decoders))
        paths = self.path * (steps + 1) * (count if self.each_its_own else 1)
        stored = paths * network.latent + self.features * steps * network.row
        return int(max(busy) + stored + PICTURES * count * network.picture)
