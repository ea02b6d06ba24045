"""Peak memory of a map against plain img2img: each edit in a process of its own."""

from __future__ import annotations

import subprocess
import sys

SIDE = 384
CODE = """
import numpy, torch, scumble
from scumble.memory import peak
torch.set_num_threads(1)
editor = scumble.Editor.from_pretrained(device="cpu")
change = numpy.tile(numpy.linspace(0, 1, {side}, dtype=numpy.float32), ({side}, 1))
method = scumble.{method}(prompt="a large red cube on sand by day", num_inference_steps=10, {options})
editor.edit(numpy.zeros(({side}, {side}, 3), numpy.uint8), method, seed=1, work_size={side})
print(peak(torch.device("cpu")))
"""


def peak(method: str, options: str) -> int:
    """Largest resident set in bytes."""
    code = CODE.format(method=method, options=options, side=SIDE)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(out.stdout)


def main() -> None:
    plain = peak("SDEdit", "strength=1.0")
    mapped = peak("DifferentialDiffusion", "change_map=change")
    print(f"img2img {plain / 2**20:.0f} MB, differential diffusion {mapped / 2**20:.0f} MB: ratio {mapped / plain:.3f}")


if __name__ == "__main__":
    main()
