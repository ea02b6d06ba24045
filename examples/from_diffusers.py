"""Five common diffusers calls and what they are here, side by side, on the same weights.

    python examples/from_diffusers.py [MODEL_FOLDER]

Without a folder the model of the package answers; any Stable Diffusion folder in diffusers' format does. Pictures are
written as NAME.diffusers.png and NAME.scumble.png. They are not the same: the noise is drawn in other ways.
"""

from __future__ import annotations

import sys
from pathlib import Path

import diffusers
import torch
from PIL import Image

import scumble

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scumble.__file__).parent / "bundled" / "still-life"
PROMPT = "a large red cube on sand by day"
STEPS = 20

pipe = diffusers.StableDiffusionPipeline.from_pretrained(FOLDER, safety_checker=None)
pipe.set_progress_bar_config(disable=True)
editor = scumble.Editor.from_pipe(pipe)  # the same networks, not a copy


def seed(number: int) -> torch.Generator:
    """What diffusers takes for a seed."""
    return torch.Generator().manual_seed(number)


def keep(name: str, theirs: Image.Image, ours: scumble.Result) -> None:
    """Write both pictures."""
    theirs.save(f"{name}.diffusers.png")
    ours.save(f"{name}.scumble.png", overwrite=True)


# 1. Text to image.
theirs = pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=5.0, generator=seed(7)).images[0]
ours = editor.generate(scumble.TextToImage(prompt=PROMPT, num_inference_steps=STEPS, guidance_scale=5.0), seed=7)
keep("text", theirs, ours)
source = ours.image

# 2. Image to image: the strength means the same.
img2img = diffusers.StableDiffusionImg2ImgPipeline.from_pipe(pipe)
night = "a large red cube on sand at night"
theirs = img2img(night, image=source, strength=0.7, num_inference_steps=STEPS, generator=seed(7)).images[0]
ours = editor.edit(source, scumble.SDEdit(prompt=night, strength=0.7, num_inference_steps=STEPS), seed=7)
keep("img2img", theirs, ours)

# 3. Inpainting with an ordinary checkpoint: white changes, there and here. Here black keeps its bytes.
mask = scumble.maps.box(source.size, 16, 20, 60, 62)
inpaint = diffusers.StableDiffusionInpaintPipeline.from_pipe(pipe)
ball = "a large blue sphere on sand by day"
theirs = inpaint(
    ball,
    image=source,
    mask_image=mask,
    width=source.width,
    height=source.height,
    strength=1.0,
    num_inference_steps=STEPS,
    generator=seed(7),
).images[0]
method = scumble.BlendedLatentDiffusion(prompt=ball, change_map=mask, num_inference_steps=STEPS)
keep("inpaint", theirs, editor.edit(source, method, seed=7))

# 4. Another sampler, and a negative prompt: one argument in place of another scheduler on the pipe.
other = diffusers.DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
quick = diffusers.StableDiffusionPipeline.from_pipe(pipe, scheduler=other)
theirs = quick(PROMPT, negative_prompt="night", num_inference_steps=STEPS, generator=seed(7)).images[0]
method = scumble.TextToImage(prompt=PROMPT, negative_prompt="night", solver="dpmpp_2m", num_inference_steps=STEPS)
keep("solver", theirs, editor.generate(method, seed=7))

# 5. Several pictures: one generator for each there, count here; candidate k is the picture of seed + k alone.
theirs = pipe(PROMPT, num_images_per_prompt=2, num_inference_steps=STEPS, generator=[seed(7), seed(8)]).images[1]
ours = editor.generate(scumble.TextToImage(prompt=PROMPT, num_inference_steps=STEPS), seed=7, count=2)
theirs.save("several.diffusers.png")
ours.images[1].save("several.scumble.png")
