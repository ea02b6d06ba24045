"""The noise spaces of sampling and of edit-friendly inversion, on data whose denoiser is known exactly.

Two-dimensional points around (10, 10), 40 steps: the toy of arXiv 2304.06140, section 3. Consecutive noise vectors of
ordinary sampling point anywhere; those of edit-friendly inversion are longer and turn back: their angles gather
around 120 degrees, three in four are above 90.

    python examples/gaussian_toy.py
"""

from __future__ import annotations

import torch

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.noise import GeneratorNoise
from scumble.core.schedule import Schedule
from scumble.core.solvers import Ddim
from scumble.inversion.ddpm import naive
from scumble.inversion.edit_friendly import edit_friendly
from scumble_lab.analysis.gaussian import GaussianNetwork, edit_friendly_covariance
from scumble_lab.analysis.noise import step_noise

POINTS, STEPS = 20_000, 40


def main() -> None:
    """Invert the points in both ways and print what their noise is like."""
    levels = Schedule.from_config({"_class_name": "DDPMScheduler", "beta_schedule": "linear"}).levels(STEPS)
    mean = torch.full((2, 1, 1), 10.0)
    noise = GeneratorNoise(torch.Generator().manual_seed(0))
    shape = (POINTS, 2, 1, 1)
    x0 = mean + noise.normal(shape, "data")
    ctx = RunState(GaussianNetwork(mean), levels, Ddim(eta=1.0), noise, shape, torch.device("cpu"), Cost())
    nothing = Guidance(Conditioning(), Conditioning(), 1.0)
    friendly = step_noise(edit_friendly(ctx, x0, nothing).zs, levels)
    plain = step_noise(naive(ctx, x0, nothing).zs, levels)
    native = step_noise(torch.stack([noise.normal(shape, "step") for _ in range(STEPS - 1)]), levels)
    print("  t   variance of z: exact, edit-friendly, naive, native   correlation: edit-friendly, naive, native")
    for k in range(0, STEPS - 2, 4):
        rows = [found[k] for found in (friendly, plain, native)]
        exact = edit_friendly_covariance(levels, k)
        variances = "  ".join(f"{row.variance:8.2f}" for row in rows)
        correlations = "  ".join(f"{row.correlation:8.3f}" for row in rows)
        print(f"{levels[k].t:4.0f} {exact:18.2f}  {variances}      {correlations}")
    for name, found in (("edit-friendly", friendly), ("naive", plain), ("native", native)):
        inner = [row for row in found if row.angle is not None and row.obtuse is not None]
        angle = sum(row.angle or 0 for row in inner) / len(inner)
        obtuse = sum(row.obtuse or 0 for row in inner) / len(inner)
        print(f"{name:14} mean angle {angle:6.1f} degrees, above 90 degrees: {obtuse:.3f}")


if __name__ == "__main__":
    main()
