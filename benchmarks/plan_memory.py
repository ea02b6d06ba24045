"""Planned against measured peak memory of every method: each edit in a process of its own, after a short one."""

from __future__ import annotations

import json
import subprocess
import sys

SIDE, COUNT, STEPS = 256, 2, 3
LEAST, MOST = -0.10, 0.50

WORDS = '"prompt": "a red cube on sand", "num_inference_steps": STEPS'
KNOWN = WORDS + ', "source_prompt": "a blue cube on sand"'
DRAG = '"points": ((90, 128, 140, 128),), "num_inference_steps": STEPS, "iterations": 3'
CLIP = '"prompt": "a red cube", "num_inference_steps": STEPS'
METHODS = {
    "text-to-image": WORDS + ', "width": SIDE, "height": SIDE',
    "sdedit": WORDS,
    "differential-diffusion": WORDS,
    "ddpm-inversion": KNOWN,
    "ddim-inversion": KNOWN,
    "cycle-diffusion": KNOWN,
    "prompt-to-prompt": KNOWN,
    "plug-and-play": KNOWN,
    "pix2pix-zero": KNOWN,
    "blended-latent-diffusion": WORDS,
    "blended-diffusion": CLIP,
    "local-clip-guided-diffusion": CLIP,
    "paint-by-word": '"prompt": "a red cube", "iterations": 4',
    "drag-noise": DRAG,
    "drag-diffusion": DRAG,
    "warp-drag": '"points": ((90, 128, 140, 128),), "num_inference_steps": STEPS',
    "self-guidance": WORDS + ', "move": {"cube": (0.2, 0.0)}',
    "diffuseit": CLIP + ', "source_prompt": "a blue cube"',
    "asyrp": '"directions": ("sand",), "prompt": "a red cube on sand", "num_inference_steps": STEPS',
    "instruct": '"prompt": "make the cube red", "num_inference_steps": STEPS',
}
MODELS = {"blended-diffusion": "still-life-pixel", "local-clip-guided-diffusion": "still-life-pixel",
          "instruct": "still-life-instruct"}  # fmt: skip

CODE = """
import ctypes, json, pathlib, sys
import numpy as np
import torch
from scumble.editing.editor import Editor
from scumble.methods.registry import method_class
from scumble.records.view import View
torch.set_num_threads(1)
SIDE, COUNT, STEPS, name = {side}, {count}, {steps}, {name!r}
editor = Editor.from_pretrained({model!r}, cache=False)
def status(key):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))
across = np.linspace(0, 1, SIDE, dtype=np.float32)
image = np.stack([np.add.outer(across, across) / 2] * 3, -1)
fields = {{{fields}}}
view = View(window="whole", work_size=SIDE)
def edit(image, count, **more):
    method = method_class(name)(**{{**fields, **more}})
    if not method.takes_image:
        return editor.generate(method, seed=1, count=count)
    return editor.edit(image, method, seed=1, count=count, view=view)
method = method_class(name)(**fields)
planned = editor.plan(image if method.takes_image else None, method, seed=1, count=COUNT, view=view).peak_bytes
edit(image, 1)
ctypes.CDLL("libc.so.6").malloc_trim(0)
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
edit(image, COUNT)
print(json.dumps([planned, status("VmHWM") - before]))
"""


def peaks(name: str) -> tuple[int, int]:
    """Planned and measured bytes above the start."""
    code = CODE.format(side=SIDE, count=COUNT, steps=STEPS, name=name, fields=METHODS[name], model=MODELS.get(name))
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if out.returncode:
        raise RuntimeError(out.stderr.strip().splitlines()[-1])
    planned, measured = json.loads(out.stdout.splitlines()[-1])
    return planned, measured


def main(names: list[str] | None = None) -> None:
    """Print both for every method; exit with 1 where one lies outside of the bounds."""
    outside = []
    for name in METHODS if names is None else names:
        planned, measured = peaks(name)
        off = planned / measured - 1
        print(
            f"{name:30} planned {planned / 1e6:7.1f} MB, measured {measured / 1e6:7.1f} MB, {100 * off:+.0f} %",
            flush=True,
        )
        outside += [] if LEAST <= off <= MOST else [name]
    if outside:
        raise SystemExit(f"outside of {100 * LEAST:+.0f} to {100 * MOST:+.0f} %: {', '.join(outside)}")


if __name__ == "__main__":
    main(sys.argv[1:] or None)
