"""Peak memory of one edit beside diffusers' img2img, on a U-Net of Stable Diffusion 1.5's structure at half width.

512 px, 3 steps, float32, random weights; what an edit needs over the loaded weights. Each row in a process of its own.
``python -m benchmarks.memory_of_methods sdedit pix2pix-zero`` measures only these.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

SIDE, STEPS = 512, 3
WORDS: dict[str, Any] = {"prompt": "a red cube on sand", "num_inference_steps": STEPS}
KNOWN: dict[str, Any] = {**WORDS, "source_prompt": "a blue cube on sand"}
ROWS: dict[str, dict[str, Any]] = {
    "img2img of diffusers": WORDS,
    "sdedit": {**WORDS, "strength": 0.7},
    "differential-diffusion": WORDS,
    "ddpm-inversion": KNOWN,
    "prompt-to-prompt": KNOWN,
    "pix2pix-zero": {**KNOWN, "rounds": 1},
    "drag-noise": {
        "prompt": "a cube",
        "num_inference_steps": STEPS,
        "points": ((200, 200, 260, 200),),
        "iterations": 2,
    },
}
"""Row -> fields of the method."""


def main(rows: Sequence[str] = ()) -> None:
    for row in rows or ROWS:
        began = time.perf_counter()
        code = f"import benchmarks.memory_of_methods as m; print(m.measured({row!r}))"
        made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        grown = made.stdout.split()[-1:] if made.returncode == 0 else [made.stderr.strip().splitlines()[-1]]
        seconds = time.perf_counter() - began
        print(f"{row:24} {' '.join(grown)} GB over the loaded weights ({seconds:.0f} s in all)", flush=True)


def measured(row: str) -> str:
    """The growth of the largest resident set by one edit, in GB."""
    torch.set_num_threads(2)
    model = half_width()
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))
    edit = by_diffusers if row.startswith("img2img") else by_us
    before = forget_peak()
    edit(row, model, image)
    return f"{(peak() - before) / 1e9:.2f}"


def by_us(row: str, model: Any, image: Image.Image) -> None:
    import scumble
    from scumble.methods.registry import method_class

    fields = dict(ROWS[row])
    if row == "differential-diffusion":
        fields["change_map"] = np.linspace(0, 1, SIDE, dtype=np.float32)[None].repeat(SIDE, 0)
    scumble.Editor(model).edit(image, method_class(row)(**fields), seed=1, detail="model")


def by_diffusers(row: str, model: Any, image: Image.Image) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline

    from scumble.models.loading.lora import pipe_of

    pipe = StableDiffusionImg2ImgPipeline(**pipe_of(model).components, requires_safety_checker=False)
    pipe(**ROWS[row], image=image, strength=0.7, guidance_scale=5.0)


def half_width() -> Any:
    """A model of that structure, its words the bundled model's."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from scumble.models.latent import LatentModel
    from scumble.models.loading import load

    torch.manual_seed(0)
    bundled: Any = load()
    width = int(bundled.text.encoders[0].network.config.hidden_size)
    unet = UNet2DConditionModel(
        sample_size=64, block_out_channels=(160, 320, 640, 640), cross_attention_dim=width, attention_head_dim=8
    )
    vae = AutoencoderKL(
        block_out_channels=(64, 128, 256, 256), layers_per_block=2, latent_channels=4, sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    config = {**bundled.schedule.config, "prediction_type": "epsilon"}
    for network in (unet, vae):
        network.eval().requires_grad_(False)
    return LatentModel("half-width", unet, vae, bundled.text, config, torch.device("cpu"))


def forget_peak() -> int:
    """Begin to measure anew (Linux), and return what is in use."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak()


def peak() -> int:
    """The largest resident set, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(sys.argv[1:])
