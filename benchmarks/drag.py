"""What an iteration of a drag costs: the cached, early-stopped decoder beside the whole network, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.methods.batch import EditBatch
from scumble.methods.drag.bottleneck_features import BottleneckFeatures, LayerFeatures
from scumble.methods.drag.features import Features
from scumble.methods.drag.latent_features import LatentFeatures
from scumble.methods.drag.supervision import supervision_site
from scumble.models.frozen import frozen
from scumble.models.loading import load

REPEATS = 5


def main() -> None:
    model = load()
    side = model.native_size
    batch = EditBatch(model, CounterNoise([0]), 1, (side, side), image=torch.zeros(1, 3, side, side))
    ctx, site = batch.context(batch.levels(50), Ddim()), supervision_site(model.denoiser)
    x, guidance = batch.noise.normal(batch.shape, "start", 0).to(model.device), batch.guidance("", "", 1.0)
    with torch.no_grad(), FlopCounterMode(display=False) as one:
        model.predict(x, ctx.levels[15], guidance.cond)
    forward = one.get_total_flops()
    print(f"{model.name}: one forward of one row {forward / 1e9:.2f} GFLOP; supervision at {site}")

    def bottleneck(whole: bool, cached: bool) -> tuple[Callable[[Tensor], Features], Tensor]:
        if cached:
            look = BottleneckFeatures(model, ctx, 15, x, guidance.cond, site, whole)
            return look, look.start
        return LayerFeatures(model, ctx, 15, x, guidance.cond, site, "mid_block", whole), bottleneck(True, True)[1]

    model.denoiser.requires_grad_(True)
    measure("DragNoise, whole network, weights not frozen (as published)", *bottleneck(True, False), forward)
    model.denoiser.requires_grad_(False)
    with frozen(model.denoiser):
        measure("DragNoise, whole network, frozen", *bottleneck(True, False), forward)
        measure("DragNoise, cached encoder, next x wanted", *bottleneck(True, True), forward)
        measure("DragNoise, cached encoder, stopped early", *bottleneck(False, True), forward)
        measure("DragDiffusion, whole network", LatentFeatures(model, ctx, 15, guidance, site, True), x, forward)
        measure("DragDiffusion, stopped early", LatentFeatures(model, ctx, 15, guidance, site), x, forward)


def measure(name: str, look: Callable[[Tensor], Features], start: Tensor, forward: int) -> float:
    """Print operations and time of one look with its gradient, in units of a forward."""

    def once() -> None:
        value = start.detach().clone().requires_grad_(True)
        seen = look(value)
        loss = seen.feature.sum() + (0 if seen.after is None else seen.after.sum())
        loss.backward()  # the frozen network has no other leaf

    with torch.enable_grad():
        with FlopCounterMode(display=False) as counted:
            once()
        times = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            once()
            times.append(time.perf_counter() - begun)
    share = counted.get_total_flops() / forward
    print(f"{name}: {share:.2f} forwards, {1000 * min(times):.1f} ms")
    return share


if __name__ == "__main__":
    main()
