"""``scumble analyse``: what a model's noise and activations carry, as tables and plots."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from scumble.errors import InputError
from scumble.files import PICTURE_FORMATS

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
    from scumble.editing.editor import Editor
    from scumble_lab.analysis import noise as measured

    _check_table(output)
    editor = Editor.from_pretrained(model, device=device)
    statistics = measured.analyse_noise(
        editor,
        images,
        prompts=prompt or (),
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        seed=seed,
    )
    measured.write_csv(output, statistics)
    if plot is not None:
        measured.plot(plot, statistics)
        print(plot)
    for name, steps in statistics.items():
        inner = [s for s in steps if s.correlation is not None]
        variance = sum(s.variance for s in steps) / len(steps)
        correlation = sum(s.correlation or 0.0 for s in inner) / max(len(inner), 1)
        print(f"{name}: mean variance {variance:.2f}, mean correlation {correlation:+.2f}", file=sys.stderr)
    print(output)


@app.command
def features(
    image: str,
    *,
    prompt: Annotated[str, Parameter(name=["--prompt", "-p"])] = "",
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("features.csv"),
    grid: Path = Path("features.png"),
    step: Annotated[list[int] | None, Parameter(negative="")] = None,
    layer: Annotated[list[str] | None, Parameter(negative="")] = None,
    num_inference_steps: Annotated[int, Parameter(name=["--num-inference-steps", "--steps"])] = 50,
    model: str | None = None,
    device: str | None = None,
) -> None:
    """Hold one layer's activation from a step on, and see what becomes of the picture: which layer carries what.

    Parameters
    ----------
    image
        The picture.
    prompt
        What it shows.
    output
        Table (CSV): distance to the plain reconstruction for every layer and step (arXiv 2404.01050, section 3).
    grid
        All pictures in one (PNG): a row for each layer, a column for each step.
    step
        From which step on, counted from the clean end; several with several --step. 90, 70, 50 and 30 % by default.
    layer
        Which layers, by their path; all blocks by default.
    num_inference_steps
        Steps of a full run.
    model
        Bundled name, folder, .safetensors file or hub id.
    device
        cpu, cuda or mps.
    """
    _check_table(output)
    from scumble.editing.editor import Editor
    from scumble_lab.analysis.features import analyse_features

    editor = Editor.from_pretrained(model, device=device)
    sheet = analyse_features(
        editor, image, prompt=prompt, num_inference_steps=num_inference_steps, steps=step, layers=layer
    )
    sheet.write(output, grid)
    for row in sheet.rows:
        print(f"{row.layer} from step {row.step}: {row.psnr:.1f} dB", file=sys.stderr)
    print(output)
    print(grid)


def _check_table(output: Path) -> None:
    """A table under a picture's name would be a file that nothing opens.

    Raises:
        InputError: for such a name.
    """
    if output.suffix.lower() in (*PICTURE_FORMATS, ".svg", ".pdf"):
        raise InputError(
            f"--output is the table, so {output.name} should end in .csv; pictures have a flag of their own"
        )
