"""What several energies cost when they share one backward, beside one evaluation and backward for each."""

from __future__ import annotations

import statistics
import time

import torch

from benchmarks.overhead import make_job
from scumble.controls.activation_reader import ActivationReader
from scumble.controls.energy_guidance import EnergyGuidance
from scumble.core.control import Control
from scumble.core.solvers import Ddim
from scumble.energies.attention import Centroid, Size
from scumble.energies.protocol import Energy, WeightedEnergy
from scumble.energies.sites import attention_sites, columns_of, site_sizes
from scumble.methods.batch import EditBatch
from scumble.models.base import Model
from scumble.models.loading import load

STEPS = 4
REPEATS = 3
SAID = "a large red cube left of a small blue sphere on sand by day"


def main() -> None:
    model = load()
    energies = wishes(model)
    for name, groups in (
        ("no energies", []),
        (f"{len(energies)} energies, one backward", [energies]),
        (f"{len(energies)} energies, one backward each", [[energy] for energy in energies]),
    ):
        seconds, batch = [], make_job(model)
        for _ in range(REPEATS):
            batch = make_job(model)
            started = time.perf_counter()
            run(batch, groups)
            seconds.append(time.perf_counter() - started)
        rows = f"{batch.cost.forward_rows / STEPS:.1f} forward and {batch.cost.backward_rows / STEPS:.1f} backward rows"
        print(f"{name}: {statistics.median(seconds) / STEPS * 1000:.0f} ms a step, {rows} (guidance 5, {STEPS} steps)")


def wishes(model: Model) -> list[Energy]:
    """Four energies of two things, none of which needs a source."""
    sites = attention_sites(model.denoiser, (1, model.channels, 16, 16))
    cube, ball = (columns_of(model, word, SAID, None) for word in ("cube", "sphere"))
    here, there = Centroid(sites, cube, target=(0.3, 0.6)), Centroid(sites, ball, target=(0.7, 0.6))
    return [here, there, Size(sites, cube, target=0.1), Size(sites, ball, target=0.05)]


def run(batch: EditBatch, groups: list[list[Energy]]) -> torch.Tensor:
    """Sample with a control for each group."""
    guidance = batch.guidance(SAID, "", 5.0)
    looker = ActivationReader(site_sizes(batch.model.denoiser, batch.shape), batch.model.decode)
    controls: list[Control] = [guidance]
    controls += [
        EnergyGuidance([WeightedEnergy(e, place="x") for e in group], guidance.cond, looker) for group in groups
    ]
    return batch.denoise(batch.levels(STEPS), Ddim(), controls)


if __name__ == "__main__":
    main()
