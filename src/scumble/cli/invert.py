"""``scumble invert``: a picture to the file from which it can be edited again and again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from scumble.errors import InputError

__all__ = ["invert"]


def invert(
    image: str,
    *,
    prompt: Annotated[str, Parameter(name=["--prompt", "-p"])] = "",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    method: Annotated[Literal["edit-friendly", "naive", "ddim"], Parameter(name=["--method", "-m"])] = "edit-friendly",
    num_inference_steps: Annotated[int, Parameter(name=["--num-inference-steps", "--steps"])] = 50,
    skip: float | None = None,
    guidance_scale: Annotated[float, Parameter(name=["--guidance-scale", "--guidance"])] = 1.0,
    eta: float | None = None,
    iterations: int = 1,
    tolerance: float = 1e-4,
    chunk: int | None = None,
    mode: Literal["parallel", "sequential"] = "parallel",
    seed: int | None = None,
    model: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Invert a picture into a file; scumble edit --inversion FILE then only runs the steps of the edit.

    Parameters
    ----------
    image
        The picture.
    prompt
        What it shows; may be left out.
    output
        NAME.inversion.safetensors; named after the picture by default.
    method
        edit-friendly keeps the picture's structure in the noise; naive and ddim are there to compare.
    num_inference_steps
        Steps of a full run.
    skip
        Share of the steps that is not inverted: larger stays closer to the picture. By default 0 for ddim, else 0.2,
        or 0.36 for models of 256 px and more.
    guidance_scale
        Guidance while inverting; 1 costs half and is usually best.
    eta
        Noise of the steps, above 0 up to 1.
    iterations
        ddim: fixed-point iterations of a level, at most.
    tolerance
        ddim: largest change of the latent at which the iterations stop.
    chunk
        Levels evaluated at once; chosen by free memory.
    mode
        sequential evaluates one level after the other, as the published code does.
    seed
        Seed of the draws; other seeds give other, equally exact inversions.
    model
        Bundled name, folder, .safetensors file or hub id.
    device
        cpu, cuda or mps.
    dtype
        float32, float16 or bfloat16.
    quiet
        Print the file's name only.
    """
    from scumble.editing.editor import Editor
    from scumble.images import load_image

    target = output or Path(f"{Path(image).stem}.inversion.safetensors")
    if not target.name.endswith(".safetensors"):
        raise InputError(f"output {target.name!r} must end in .inversion.safetensors")
    if not target.parent.is_dir():
        raise InputError(f"the output folder {target.parent.name!r} does not exist; create it first")
    picture = load_image(image)
    editor = Editor.from_pretrained(model, device=device, dtype=dtype)
    found = editor.invert(
        picture,
        prompt=prompt,
        method=method,
        num_inference_steps=num_inference_steps,
        skip=skip,
        guidance_scale=guidance_scale,
        eta=eta,
        iterations=iterations,
        tolerance=tolerance,
        chunk=chunk,
        mode=mode,
        seed=seed,
    )
    found.save(target)
    if not quiet:
        told = ", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in found.error.items())
        print(f"{found.kind}: {found.steps - found.first} of {found.steps} steps; replayed: {told}", file=sys.stderr)
    print(target)
