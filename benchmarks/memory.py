"""Peak memory of a map against plain img2img: each edit in a process of its own."""

from __future__ import annotations

import subprocess
import sys

SIDE = 384
CODE = """
import resource, sys, torch
from scumble.core.noise import CounterNoise
from scumble.methods.batch import Job
from scumble.methods.{module} import {name}
from scumble.models.loading import load
torch.set_num_threads(1)
model = load()
change = torch.linspace(0, 1, {side}).expand(1, 1, {side}, {side}).contiguous()
image = torch.zeros(1, 3, {side}, {side})
job = Job(model, CounterNoise([1]), 1, ({side}, {side}), image=image, change={change})
method = {name}(prompt="a large red cube on sand by day", num_inference_steps=10, {options})
made = method.run(batch)
model.decode(made)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(module: str, name: str, change: str, options: str = "") -> int:
    """Largest resident set in kilobytes."""
    code = CODE.format(module=module, name=name, change=change, options=options, side=SIDE)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(out.stdout)


def main() -> None:
    plain = peak("sdedit", "SDEdit", "None", "strength=1.0")
    mapped = peak("differential_diffusion", "DifferentialDiffusion", "change")
    print(f"img2img {plain / 1024:.0f} MB, differential diffusion {mapped / 1024:.0f} MB: ratio {mapped / plain:.3f}")


if __name__ == "__main__":
    main()
