"""Claims about change maps: reliability, adherence, future hinting, the strength fan (arXiv 2306.00950)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from scumble.evaluation.case import Sample
from scumble.evaluation.claims.base import Bench, Curves, Finding, judged
from scumble.evaluation.metrics.adherence import change_strength, least_squares, pearson
from scumble.evaluation.metrics.pixels import unit
from scumble.evaluation.metrics.reliability import ramp, reliability
from scumble.evaluation.score import overall
from scumble.evaluation.statistics import mean_of, paired
from scumble.methods.base import Method
from scumble.methods.blended_latent_diffusion import BlendedLatentDiffusion
from scumble.methods.ddpm_inversion import DDPMInversion
from scumble.methods.differential_diffusion import DifferentialDiffusion
from scumble.methods.sdedit import SDEdit

__all__ = ["adherence", "future_hinting", "map_reliability", "strength_fan"]

STEPS = 25
Map = npt.NDArray[np.float32]


def _changed(bench: Bench, sample: Sample, method: Method) -> npt.NDArray[np.float64]:
    return change_strength(unit(bench.edit(sample, method)), unit(sample.source))


def _differential(sample: Sample, change: Map | None) -> Method:
    return DifferentialDiffusion(prompt=sample.case.prompt, change_map=change, num_inference_steps=STEPS)


def _blended(sample: Sample, change: Map | None) -> Method:
    return BlendedLatentDiffusion(prompt=sample.case.prompt, change_map=change, num_inference_steps=STEPS, rank=False)


def map_reliability(bench: Bench) -> Finding:
    """R of Differential Diffusion, of blending with the ramp cut at one half, and of one strength for all."""
    samples = bench.samples("sky")
    size = samples[0].source.height
    slope = ramp(size, size)
    changes: dict[str, list[npt.NDArray[np.float64]]] = {"free": []}
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
    scores = {name: reliability(found.mean(0), free.mean(0)) for name, found in norms.items()}
    ours, *others = norms
    draws = np.random.default_rng(0).integers(0, len(samples), (500, len(samples)))
    lead = [
        reliability(norms[ours][d].mean(0), free[d].mean(0))
        - max(reliability(norms[o][d].mean(0), free[d].mean(0)) for o in others)
        for d in draws
    ]
    low = float(np.percentile(lead, 2.5))
    said = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    verdict = "holds" if scores[ours] > 0.9 and low > 0 else "does not hold"
    if verdict != "holds" and scores[ours] > max(scores[o] for o in others):
        verdict = "cannot be checked here"
    columns = list(range(size))
    curves = {
        f"{name}, R {scores[name]:.2f}": (columns, (found.mean(0) - free.mean(0)).tolist())
        for name, found in norms.items()
    }
    plot = Curves(title="Trend under a ramp, less the trend of changing everything", x="column", y="change",
                  curves=curves)  # fmt: skip
    reason = f"R: {said} (n={len(samples)}); lead over the better baseline at least {low:.2f} at 97.5 %"
    return Finding(verdict, reason, {f"R {k}": v for k, v in scores.items()}, plot)  # type: ignore[arg-type]


def adherence(bench: Bench) -> Finding:
    """Correlation (CAM) and distance (DAM) of a cone-shaped map and the change, against the cut map's."""
    samples = bench.samples("sky")
    size = samples[0].source.height
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    cone = np.clip(1 - 2 * np.hypot(x, y), 0, 1).astype(np.float32)
    free = np.mean([_changed(bench, s, _differential(s, None)) for s in samples], axis=0)
    measured = {}
    for name, make in (("differential diffusion", _differential), ("blending, cut at 0.5", _blended)):
        measured[name] = np.stack([_changed(bench, s, make(s, cone)) for s in samples])
    scale = np.maximum(free, 0.25 * free.mean())  # a place's own readiness to change is taken out
    cam = {name: pearson(cone, found.mean(0) / scale) for name, found in measured.items()}
    dam = {name: least_squares(cone, found.mean(0) / scale) for name, found in measured.items()}
    draws = np.random.default_rng(0).integers(0, len(samples), (500, len(samples)))
    ours, other = measured
    lead = [pearson(cone, measured[ours][d].mean(0) / scale) - pearson(cone, measured[other][d].mean(0) / scale)
            for d in draws]  # fmt: skip
    low, high = np.percentile(lead, (2.5, 97.5))
    verdict = "holds" if low > 0 else "does not hold" if high <= 0 else "cannot be checked here"
    said = "; ".join(f"{name}: CAM {cam[name]:.3f}, DAM {dam[name]:.1f}" for name in cam)
    reason = f"{said} (n={len(samples)}); lead in CAM {low:.2f} to {high:.2f}"
    figures = {f"CAM {k}": v for k, v in cam.items()} | {f"DAM {k}": v for k, v in dam.items()}
    return Finding(verdict, reason, figures)  # type: ignore[arg-type]


def future_hinting(bench: Bench) -> Finding:
    """Putting all unreleased pixels back at every step, against each one only at its own level."""
    scores: dict[bool, list[float]] = {True: [], False: []}
    inside: dict[bool, list[float]] = {True: [], False: []}
    for sample in (*bench.samples("recolour"), *bench.samples("floor")):
        assert sample.region is not None
        soft = _soft(sample.region)
        for nested in scores:
            method = DifferentialDiffusion(
                prompt=sample.case.prompt, change_map=soft, num_inference_steps=STEPS, nested=nested
            )
            found = bench.scored(sample, bench.edit(sample, method))
            scores[nested].append(overall(found))
            inside[nested].append(found["psnr_in"])
    word, said = judged(paired(scores[True], scores[False]), "score with hinting less without", 3)
    closer = paired(inside[True], inside[False])
    reason = f"{said}; PSNR inside {closer.text(2)} dB better"
    return Finding(word, reason, {"score": paired(scores[True], scores[False]).value, "psnr_in": closer.value})


def _soft(region: npt.NDArray[np.bool_], reach: int = 6) -> Map:
    """A map that falls from 1 in the region to 0 within `reach` pixels around it."""
    from scumble.images import distance_to

    return np.clip(1 - distance_to(region, reach) / reach, 0, 1).astype(np.float32)


def strength_fan(bench: Bench) -> Finding:
    """The change grows with the strength: SDEdit's, and what an edit-friendly inversion does not skip."""
    strengths = [0.2, 0.4, 0.6, 0.8, 1.0]
    curves = {}
    monotone = []
    for name in ("sdedit", "ddpm-inversion"):
        means = []
        for strength in strengths:
            found = []
            for sample in bench.samples("floor"):
                if name == "sdedit":
                    method: Method = SDEdit(prompt=sample.case.prompt, strength=strength, num_inference_steps=STEPS)
                else:
                    method = DDPMInversion(
                        prompt=sample.case.prompt,
                        source_prompt=sample.case.source_prompt,
                        skip=round(1 - strength, 3),
                        num_inference_steps=STEPS,
                    )
                found.append(float(_changed(bench, sample, method).mean()))
            means.append(mean_of(found).value)
        curves[name] = (strengths, means)
        monotone.append(all(b > a for a, b in pairwise(means)))
    said = "; ".join(f"{name} {', '.join(f'{m:.3f}' for m in means)}" for name, (_, means) in curves.items())
    plot = Curves(title="Strength against change", x="strength, or share not skipped", y="mean change", curves=curves)
    reason = f"mean change at strengths {', '.join(map(str, strengths))}: {said} (n={bench.count})"
    return Finding("holds" if all(monotone) else "does not hold", reason, {}, plot)
