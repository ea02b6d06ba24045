"""Claims about change maps: reliability, adherence, future hinting, the strength fan (arXiv 2306.00950)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
from scumble.methods.method import Method
from scumble_lab.bench.case import Sample
from scumble_lab.bench.claims.base import Bench, Curves, Finding, Word, all_of, judged
from scumble_lab.bench.metrics.adherence import change_strength, least_squares, pearson
from scumble_lab.bench.metrics.pixels import unit
from scumble_lab.bench.metrics.reliability import ramp, reliability
from scumble_lab.bench.score import overall
from scumble_lab.bench.statistics import mean_of, paired

__all__ = ["adherence", "future_hinting", "guidance_follows", "map_reliability", "strength_fan"]

STEPS = 25
Map = npt.NDArray[np.float32]
Field = npt.NDArray[np.float64]


def _changed(bench: Bench, sample: Sample, method: Method) -> npt.NDArray[np.float64]:
    return change_strength(unit(bench.edit(sample, method)), unit(sample.source))


def _differential(sample: Sample, change: Map | None) -> Method:
    return DifferentialDiffusion(prompt=sample.case.prompt, change_map=change, num_inference_steps=STEPS)


def _blended(sample: Sample, change: Map | None) -> Method:
    return BlendedLatentDiffusion(prompt=sample.case.prompt, change_map=change, num_inference_steps=STEPS, rank=False)


def _strangers(bench: Bench) -> list[Sample]:
    """Pictures, each with the words of another one: everything about it may change, wherever that is.

    Twice the count: a trend over columns needs many pictures before what stands where in them averages out.
    """
    samples = bench.samples("floor", 2 * bench.count)
    words = [sample.case.source_prompt for sample in samples]
    given = zip(samples, [*words[1:], words[0]], strict=True)
    return [replace(sample, case=sample.case.model_copy(update={"prompt": prompt})) for sample, prompt in given]


def map_reliability(bench: Bench) -> Finding:
    """R of Differential Diffusion, of blending with the ramp cut at one half, and of one strength for all."""
    samples = _strangers(bench)
    size = samples[0].source.height
    slope = ramp(size, size)
    changes: dict[str, list[Field]] = {"free": []}
    for sample in samples:
        for name, method in (
            ("free", _differential(sample, None)),
            ("differential diffusion", _differential(sample, slope)),
            ("blending, cut at 0.5", _blended(sample, slope)),
            ("img2img at 0.5", SDEdit(prompt=sample.case.prompt, strength=0.5, num_inference_steps=STEPS)),
        ):
            changes.setdefault(name, []).append(_changed(bench, sample, method))
    norms = {name: np.stack([np.sqrt((c**2).sum(axis=0)) / size for c in given]) for name, given in changes.items()}
    free = norms.pop("free")

    def scores(rows: npt.NDArray[np.int_]) -> dict[str, float]:
        return {name: reliability(values[rows].mean(0), free[rows].mean(0)) for name, values in norms.items()}

    every = scores(np.arange(len(samples)))
    drawn = [scores(rows) for rows in _draws(len(samples))]
    lead = [values.pop("differential diffusion") - max(values.values()) for values in map(dict, drawn)]
    sentence = ", ".join(f"{name} {value:.3f}" for name, value in every.items())
    curves = {
        f"{name}, R {every[name]:.2f}": (list(range(size)), (values.mean(0) - free.mean(0)).tolist())
        for name, values in norms.items()
    }
    plot = Curves(title="Trend under a ramp, less that of changing all", x="column", y="change", curves=curves)
    word, led = _leads(lead)
    reason = f"R: {sentence} (n={len(samples)}); lead over the better of the others {led}"
    return Finding(word, reason, {f"R {k}": v for k, v in every.items()}, plot)


def _draws(count: int) -> npt.NDArray[np.int_]:
    return np.random.default_rng(0).integers(0, count, (500, count))


def _leads(lead: list[float]) -> tuple[Word, str]:
    """The verdict on "the lead is positive" by the percentiles of its bootstrap draws."""
    low, high = np.nanpercentile(lead, (2.5, 97.5))
    interval = f"[{low:.2f}, {high:.2f}]"
    if low > 0:
        return "holds", interval
    return ("does not hold", interval) if high < 0 else ("undecided", interval)


def adherence(bench: Bench) -> Finding:
    """Correlation (CAM) and distance (DAM) of a cone-shaped map and the change, against the cut map's."""
    samples = _strangers(bench)
    size = samples[0].source.height
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    cone = np.clip(1 - 2 * np.hypot(x, y), 0, 1).astype(np.float32)
    free = np.stack([_changed(bench, sample, _differential(sample, None)) for sample in samples])
    measured = {}
    for name, make in (("differential diffusion", _differential), ("blending, cut at 0.5", _blended)):
        measured[name] = np.stack([_changed(bench, sample, make(sample, cone)) for sample in samples])

    def less(name: str, rows: npt.NDArray[np.int_]) -> Field:
        """The change less that under the map that changes all: what the place itself does to it is taken out."""
        difference: Field = measured[name][rows].mean(0) - free[rows].mean(0)
        return difference

    everyone = np.arange(len(samples))
    cam = {name: pearson(cone, less(name, everyone)) for name in measured}
    dam = {name: least_squares(cone, less(name, everyone)) for name in measured}
    ours, other = measured
    word, led = _leads([pearson(cone, less(ours, d)) - pearson(cone, less(other, d)) for d in _draws(len(samples))])
    sentence = "; ".join(f"{name}: CAM {cam[name]:.3f}, DAM {dam[name]:.1f}" for name in cam)
    figures = {f"CAM {k}": v for k, v in cam.items()} | {f"DAM {k}": v for k, v in dam.items()}
    return Finding(word, f"{sentence} (n={len(samples)}); lead in CAM {led}", figures)


def guidance_follows(bench: Bench) -> Finding:
    """Guidance that grows with the map against the same guidance everywhere: does the change follow a ramp better, and
    does a thing that may change fully still become what is asked for, in surroundings that may change a little?"""
    correlations: dict[str, list[float]] = {"follow": [], "constant": []}
    successes: dict[str, list[float]] = {"follow": [], "constant": []}
    for sample in _strangers(bench):
        slope = ramp(sample.source.height, sample.source.height)
        for name, values in correlations.items():
            change = _changed(bench, sample, _guided(sample, slope.astype(np.float32), name))
            values.append(pearson(change.mean(0), slope.mean(0)))
    for sample in (*bench.samples("recolour"), *bench.samples("reshape")):
        strengths = np.where(sample.area, 1.0, 0.3).astype(np.float32)
        for name, values in successes.items():
            values.append(bench.scored(sample, bench.edit(sample, _guided(sample, strengths, name)))["success"])
    word, sentence = judged(
        paired(correlations["follow"], correlations["constant"]), "correlation of change and ramp, columns", 3
    )
    cost = paired(successes["follow"], successes["constant"])
    figures = {f"correlation {name}": mean_of(values).value for name, values in correlations.items()}
    figures |= {f"success {name}": mean_of(values).value for name, values in successes.items()}
    reason = f"{sentence}; success of a thing in surroundings at 0.3: {cost.text(1, 100)} points (n={cost.count})"
    return Finding(word, reason, figures)


def _guided(sample: Sample, change: Map, guidance: Any) -> Method:
    return DifferentialDiffusion(
        prompt=sample.case.prompt, change_map=change, num_inference_steps=STEPS, guidance_map=guidance
    )


def future_hinting(bench: Bench) -> Finding:
    """Putting all unreleased pixels back at every step, against each one only at its own level."""
    scores: dict[bool, list[float]] = {True: [], False: []}
    inside: dict[bool, list[float]] = {True: [], False: []}
    for sample in (*bench.samples("recolour"), *bench.samples("floor")):
        soft = _soft(sample.area)
        for nested in scores:
            method = DifferentialDiffusion(
                prompt=sample.case.prompt, change_map=soft, num_inference_steps=STEPS, nested=nested
            )
            figures = bench.scored(sample, bench.edit(sample, method))
            scores[nested].append(overall(figures))
            inside[nested].append(figures["psnr_in"])
    word, sentence = judged(paired(scores[True], scores[False]), "score with hinting less without", 3)
    closer = paired(inside[True], inside[False])
    reason = f"{sentence}; PSNR inside {closer.text(2)} dB better"
    return Finding(word, reason, {"score": paired(scores[True], scores[False]).value, "psnr_in": closer.value})


def _soft(region: npt.NDArray[np.bool_], reach: int = 6) -> Map:
    """A map that falls from 1 in the region to 0 within `reach` pixels around it."""
    from scumble.images import distance_to

    return np.clip(1 - distance_to(region, reach) / reach, 0, 1).astype(np.float32)


def strength_fan(bench: Bench) -> Finding:
    """The change grows with the strength: SDEdit's, and what an edit-friendly inversion does not skip."""
    strengths = [0.2, 0.4, 0.6, 0.8, 1.0]
    changes = {name: [[_fanned(bench, sample, name, s) for sample in bench.samples("floor")] for s in strengths]
               for name in ("sdedit", "ddpm-inversion")}  # fmt: skip
    steps = {name: [paired(more, less) for less, more in pairwise(values)] for name, values in changes.items()}
    means = {name: [mean_of(one).value for one in values] for name, values in changes.items()}
    sentence = "; ".join(
        f"{name} {', '.join(f'{m:.3f}' for m in means[name])} (steps {', '.join(s.text(3) for s in steps[name])})"
        for name in changes
    )
    word = all_of([judged(step, "")[0] for values in steps.values() for step in values])
    curves = {name: (strengths, values) for name, values in means.items()}
    plot = Curves(title="Strength against change", x="strength, or share not skipped", y="mean change", curves=curves)
    reason = f"mean change at strengths {', '.join(map(str, strengths))}: {sentence} (n={bench.count})"
    return Finding(word, reason, {f"smallest step {n}": min(s.value for s in f) for n, f in steps.items()}, plot)


def _fanned(bench: Bench, sample: Sample, name: str, strength: float) -> float:
    """The mean change of an edit of some strength."""
    fields: dict[str, Any] = {"prompt": sample.case.prompt, "num_inference_steps": STEPS}
    method: Method
    if name == "sdedit":
        method = SDEdit(**fields, strength=strength)
    else:
        method = DDPMInversion(**fields, source_prompt=sample.case.source_prompt, skip=round(1 - strength, 3))
    return float(_changed(bench, sample, method).mean())
