"""What the engine adds to the network itself: seconds of an edit over seconds of its bare network calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from scumble.core.noise import CounterNoise
from scumble.methods.batch import EditBatch
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.models.base import Model
from scumble.models.loading import load

STEPS = 20
REPEATS = 5


def main() -> None:
    model = load()
    said = {"prompt": "a large red cube on sand by day", "num_inference_steps": STEPS}
    for method in (SDEdit(strength=1.0, **said), DifferentialDiffusion(**said)):  # type: ignore[arg-type]
        ratios = []
        for _ in range(REPEATS):
            batch = make_job(model)
            seconds = timed(lambda batch=batch, method=method: method.run(batch))  # type: ignore[misc]
            ratios.append(seconds / (batch.cost.network_calls * bare_call(model, batch)))
        print(f"{method.method_name()}: {statistics.median(ratios):.3f} of the bare network calls "
              f"(min {min(ratios):.3f}, max {max(ratios):.3f}, {STEPS} steps, two rows a call)")  # fmt: skip


def make_job(model: Model) -> EditBatch:
    side = model.native_size
    change = torch.linspace(0.3, 1.0, side).expand(1, 1, side, side).contiguous()
    batch = EditBatch(model, CounterNoise([1]), 1, (side, side), image=torch.zeros(1, 3, side, side), change=change)
    assert batch.x0 is not None and batch.embed("") is not None
    return batch


def bare_call(model: Model, batch: EditBatch, calls: int = 10) -> float:
    """Seconds of one call of the network alone, with the rows of a guided step."""
    cond = batch.embed("a large red cube on sand by day").expand(2)
    x, network = torch.randn(2, *batch.shape[1:]), model.denoiser
    with torch.no_grad():
        network(x, 500, encoder_hidden_states=cond.embeds)
        return timed(lambda: [network(x, 500, encoder_hidden_states=cond.embeds) for _ in range(calls)]) / calls


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
