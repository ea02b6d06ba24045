"""``scumble analyse``: what a model's noise and activations carry, as tables and plots."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

__all__ = ["app"]

app = App(name="analyse", help="Look at what noise and activations carry.")


@app.command
def noise(
    images: Annotated[list[str], Parameter(consume_multiple=True)],
    *,
    prompt: Annotated[list[str] | None, Parameter(name=["--prompt", "-p"])] = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("noise.csv"),
    plot: Path | None = None,
    num_inference_steps: Annotated[int, Parameter(name=["--num-inference-steps", "--steps"])] = 100,
    guidance_scale: Annotated[float, Parameter(name=["--guidance-scale", "--guidance"])] = 1.0,
    seed: int = 0,
    model: str | None = None,
    device: str | None = None,
) -> None:
    """Compare the noise of edit-friendly and naive inversion with that of ordinary sampling, step by step.

    Parameters
    ----------
    images
        One picture or several.
    prompt
        What each picture shows, in the same order; may be left out.
    output
        Table (CSV): variance, correlation and angle of consecutive noise maps (arXiv 2304.06140, figures 5 and 6).
    plot
        Also draw them (PNG, SVG or PDF; needs matplotlib).
    num_inference_steps
        Steps of a full run.
    guidance_scale
        Guidance while inverting.
    seed
        Seed of the draws.
    model
        Bundled name, folder, .safetensors file or hub id.
    device
        cpu, cuda or mps.
    """
    from scumble.analysis import noise as measured
    from scumble.editor import Editor

    editor = Editor.from_pretrained(model, device=device)
    found = measured.analyse_noise(
        editor,
        images,
        prompts=prompt or (),
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        seed=seed,
    )
    measured.write_csv(output, found)
    if plot is not None:
        measured.plot(plot, found)
        print(plot)
    for name, steps in found.items():
        inner = [s for s in steps if s.correlation is not None]
        variance = sum(s.variance for s in steps) / len(steps)
        correlation = sum(s.correlation or 0.0 for s in inner) / max(len(inner), 1)
        print(f"{name}: mean variance {variance:.2f}, mean correlation {correlation:+.2f}", file=sys.stderr)
    print(output)
