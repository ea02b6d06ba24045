"""What the noise maps of an inversion are like: their variance, and how consecutive ones lie to each other."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from scumble.core.noise import CounterNoise
from scumble.core.schedule import Level
from scumble.errors import InputError
from scumble.files import atomic_write

if TYPE_CHECKING:
    from scumble.editing.editor import Editor

__all__ = ["StepNoise", "analyse_noise", "plot", "step_noise", "write_csv"]

COLUMNS = ("construction", "step", "t", "variance", "correlation", "angle", "obtuse")


@dataclass(frozen=True)
class StepNoise:
    """The noise of one step, over all samples.

    Attributes:
        step: Index of the step in the whole run.
        t: Time of the level it starts from.
        variance: Variance of z over all its elements.
        correlation: Correlation with the z of the next step, or None at the last one.
        angle: Mean angle to the z of the next step, in degrees, each sample one vector; or None.
        obtuse: Share of the samples whose angle is above 90 degrees; or None.
    """

    step: int
    t: float
    variance: float
    correlation: float | None
    angle: float | None
    obtuse: float | None


def step_noise(zs: Tensor, levels: Sequence[Level], first: int = 0) -> list[StepNoise]:
    """Measure noise maps step by step.

    Steps without noise (the last one of many schedules), whose z is 0, are left out.

    Args:
        zs: (M, B, C, h, w).
        levels: Levels of the whole run.
        first: Index of the step of ``zs[0]``.
    """
    flat = zs.detach().double().flatten(2)
    noisy = [k for k in range(len(flat)) if bool(flat[k].any())]
    statistics = []
    for k in noisy:
        flat_noise = flat[k]
        correlation = angle = obtuse = None
        if k + 1 in noisy:
            after = flat[k + 1]
            correlation = float(torch.corrcoef(torch.stack([flat_noise.flatten(), after.flatten()]))[0, 1])
            angles = torch.rad2deg(torch.arccos(torch.cosine_similarity(flat_noise, after, dim=1).clamp(-1, 1)))
            angle, obtuse = float(angles.mean()), float((angles > 90).double().mean())
        variance = float(flat_noise.var(correction=0))
        statistics.append(StepNoise(first + k, levels[first + k].t, variance, correlation, angle, obtuse))
    return statistics


def analyse_noise(
    editor: Editor,
    images: Sequence[Any],
    *,
    prompts: Sequence[str] = (),
    num_inference_steps: int = 100,
    guidance_scale: float = 1.0,
    seed: int = 0,
    chunk: int | None = None,
) -> dict[str, list[StepNoise]]:
    """Compare the noise of edit-friendly and naive inversion with that of ordinary sampling (figures 5 and 6).

    Args:
        editor: The editor.
        images: Pictures of one size.
        prompts: What each of them shows; none: empty.
        num_inference_steps: N; the paper has 100.
        guidance_scale: Guidance while inverting.
        seed: Seed of the first picture's draws, the next one has the next.
        chunk: Levels per network call.

    Returns:
        A list of steps for ``edit-friendly``, ``naive`` and ``native``.

    Raises:
        InputError: If the pictures differ in size or are not as many as the prompts.
    """
    if not images:
        raise InputError("no picture was given")
    if prompts and len(prompts) != len(images):
        raise InputError(f"{len(prompts)} prompts were given for {len(images)} pictures")
    captions = prompts or [""] * len(images)
    by_method: dict[str, list[StepNoise]] = {}
    for kind in ("edit-friendly", "naive"):
        inversions = [
            editor.invert(
                image,
                prompt=prompt,
                method=kind,
                num_inference_steps=num_inference_steps,
                skip=0.0,
                guidance_scale=guidance_scale,
                seed=seed + k,
                chunk=chunk,
                measured=False,
            )
            for k, (image, prompt) in enumerate(zip(images, captions, strict=True))
        ]
        shapes = {tuple(one.xs.shape) for one in inversions}
        if len(shapes) > 1:
            raise InputError("the pictures differ in size: give pictures of one size")
        levels = inversions[0].levels
        maps = [one.zs for one in inversions if one.zs is not None]
        by_method[kind] = step_noise(torch.cat(maps, dim=1), levels)
    steps, shape = [s.step for s in by_method["naive"]], (len(images), *inversions[0].xs.shape[2:])
    noise = CounterNoise(range(seed, seed + len(images)))
    drawn = [noise.normal(shape, "step", i) if i in steps else torch.zeros(shape) for i in range(len(levels) - 1)]
    by_method["native"] = step_noise(torch.stack(drawn), levels)
    return by_method


def write_csv(path: str | Path, statistics: Mapping[str, Sequence[StepNoise]]) -> None:
    """Write a row per construction and step.

    Raises:
        InputError: If the folder does not exist.
    """
    target = _checked(path)
    with atomic_write(target) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name, steps in statistics.items():
            for s in steps:
                values = (s.variance, s.correlation, s.angle, s.obtuse)
                numbers = ["" if v is None else f"{v:.6g}" for v in values]
                writer.writerow([name, s.step, f"{s.t:g}", *numbers])


def plot(path: str | Path, statistics: Mapping[str, Sequence[StepNoise]]) -> None:
    """Draw variance, correlation and angle over the steps, one curve per construction.

    Raises:
        InputError: If matplotlib is not installed, or the folder does not exist.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("a plot needs matplotlib: pip install 'scumble[evaluation]', or ask for a .csv") from error
    target = _checked(path)
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    drawn = (("variance", "variance of z"), ("correlation", "correlation with the next z"), ("angle", "angle, degrees"))
    for axes, (name, title) in zip(panels, drawn, strict=True):
        for construction, steps in statistics.items():
            points = [(s.t, getattr(s, name)) for s in steps if getattr(s, name) is not None]
            axes.plot([t for t, _ in points], [v for _, v in points], label=construction)
        axes.set(title=title, xlabel="timestep")
        axes.invert_xaxis()
    panels[1].set_ylim(-1, 1)
    panels[2].set_ylim(0, 180)
    panels[0].legend()
    with atomic_write(target) as unfinished:
        figure.savefig(unfinished, dpi=120, format=target.suffix[1:] or None)


def _checked(path: str | Path) -> Path:
    target = Path(path)
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} of the output does not exist")
    return target
