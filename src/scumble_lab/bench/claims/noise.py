"""Claims about inversions: what their noise is like, how exactly they lead back, what they keep."""

from __future__ import annotations

from typing import Any

import numpy as np

from scumble.images import to_image, to_tensor
from scumble.methods.inversion_based.cycle_diffusion import CycleDiffusion
from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
from scumble_lab.analysis.noise import analyse_noise
from scumble_lab.bench.claims.base import Bench, Curves, Finding, Word, all_of, judged
from scumble_lab.bench.metrics.diversity import diversity
from scumble_lab.bench.metrics.pixels import psnr, unit
from scumble_lab.bench.statistics import Mean, mean_of, paired

__all__ = ["edit_friendly_diversity", "edit_friendly_noise", "edit_friendly_preserves", "reconstruction"]

WORD_TASKS = ("recolour", "rematerial", "reshape", "remove", "add", "resize", "floor", "sky")
EXACT = 55
"""PSNR in dB above which a picture counts as led back to."""
TIE = 0.1
"""Ten points of success: what counts as "no less" must be shown to lie within."""


def edit_friendly_noise(bench: Bench) -> Finding:
    """Edit-friendly noise maps have a larger variance than native ones, and consecutive ones point apart."""
    samples = bench.samples("floor")
    statistics = [
        analyse_noise(
            bench.editor(), [sample.source], prompts=[sample.case.source_prompt], num_inference_steps=50, seed=number
        )
        for number, sample in enumerate(samples)
    ]
    names = list(statistics[0])
    variance = {n: [_mean([s.variance for s in one[n]]) for one in statistics] for n in names}
    angle = {n: [_mean([s.angle for s in one[n] if s.angle is not None]) for one in statistics] for n in names}
    others = [name for name in names if name != "edit-friendly"]
    leads = [
        paired(measured["edit-friendly"], [max(measured[n][k] for n in others) for k in range(len(statistics))])
        for measured in (variance, angle)
    ]
    sentence = "; ".join(f"{n}: variance {_mean(variance[n]):.2f}, angle {_mean(angle[n]):.1f}°" for n in names)
    sentence += f"; over the greater of the others: variance {leads[0].text(2)}, angle {leads[1].text(1)}°"
    curves = {}
    for name in names:
        steps = [s.step for s in statistics[0][name]]
        means = [_mean([s.variance for one in statistics for s in one[name] if s.step == step]) for step in steps]
        curves[name] = (list(map(float, steps)), means)
    plot = Curves(title="Variance of the noise maps", x="step", y="variance", curves=curves)
    figures = {f"variance {n}": _mean(v) for n, v in variance.items()}
    figures |= {f"angle {n}": _mean(v) for n, v in angle.items()}
    return Finding(all_of([judged(lead, "")[0] for lead in leads]), f"{sentence} (n={len(samples)})", figures, plot)


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def reconstruction(bench: Bench) -> Finding:
    """With the source's own words: edit-friendly and naive lead back exactly, plain DDIM does not."""
    names = ("edit-friendly", "naive", "ddim", "ddim, 5 iterations", "codec")
    scores: dict[str, list[float]] = {name: [] for name in names}
    model = bench.editor().model
    for sample in bench.samples("sky"):
        words = sample.case.source_prompt
        fields: dict[str, Any] = {"prompt": words, "source_prompt": words, "num_inference_steps": 25}
        fields |= {"guidance_scale": 1.0}
        limit = to_image(model.decode(model.encode(to_tensor(sample.source).to(model.device))).detach().cpu())[0]
        scores["codec"].append(psnr(unit(limit), unit(sample.source)))
        for name, method in (
            ("edit-friendly", DDPMInversion(**fields)),
            ("naive", CycleDiffusion(**fields)),
            ("ddim", DDIMInversion(**fields)),
            ("ddim, 5 iterations", DDIMInversion(**fields, iterations=5)),
        ):
            picture = bench.edit(sample, method)
            scores[name].append(psnr(unit(picture), unit(limit)))
    means = {name: mean_of(values) for name, values in scores.items()}
    exact: Word = "holds" if min(*scores["edit-friendly"], *scores["naive"]) > EXACT else "does not hold"
    worse = judged(paired(scores["edit-friendly"], scores["ddim"]), "")[0]
    details = ", ".join(f"{name} {mean.text(1)}" for name, mean in means.items() if name != "codec")
    reason = f"PSNR to what the autoencoder gives back (60: equal; to hold: all above {EXACT}): {details}; the"
    reason += f" autoencoder alone to the source {means['codec'].text(1)} (n={bench.count})"
    return Finding(all_of([exact, worse]), reason, {k: v.value for k, v in means.items()})


def edit_friendly_preserves(bench: Bench) -> Finding:
    """From the benchmark's results: better preservation than DDIM inversion and SDEdit at no less success.

    DDIM inversion is taken at that guidance of those measured on the same cases whose success is the nearest.
    """
    collected = bench.collected
    if collected is None:
        return Finding("cannot be checked here", "there are no results yet: scumble bench run comes first")
    ours, *others = "ddpm-inversion", "ddim-inversion", "sdedit"
    scores = {
        name: {row.case.id: row.figures for row in collected.of(name, WORD_TASKS)}
        for name in (ours, *others, "ddim-inversion-guidance-2")
    }
    shared = sorted(set.intersection(*(set(scores[name]) for name in (ours, *others))))
    if len(shared) < 2 or "success" not in scores[ours][shared[0]]:
        return Finding("cannot be checked here", "the three methods have no scored results in common")

    def lead(other: str, figure: str) -> Mean:
        return paired([scores[ours][c][figure] for c in shared], [scores[other][c][figure] for c in shared])

    if set(shared) <= set(scores["ddim-inversion-guidance-2"]):
        others[0] = min(("ddim-inversion", "ddim-inversion-guidance-2"), key=lambda n: abs(lead(n, "success").value))
    words: list[Word] = []
    parts: list[str] = []
    figures: dict[str, float] = {}
    for other in others:
        preserved, done = lead(other, "psnr_out"), lead(other, "success")
        words.append(judged(preserved, "")[0])
        words.append("does not hold" if done.high < 0 else "holds" if done.low > -TIE else "undecided")
        parts.append(f"against {other}: PSNR outside {preserved.text(1)} dB, success {done.text(0, 100)} points")
        figures |= {f"psnr_out less {other}": preserved.value, f"success less {other}": done.value}
    return Finding(all_of(words), f"{'; '.join(parts)} (n={len(shared)})", figures)


def edit_friendly_diversity(bench: Bench) -> Finding:
    """Other draws of the inversion give other edits of one picture, all of which keep the rest."""
    different, single, outside = [], [], []
    for sample in bench.samples("rematerial", max(2, bench.count // 2)):
        if sample.change is None:
            continue
        fields: dict[str, Any] = {"prompt": sample.case.prompt, "num_inference_steps": 25}
        fields |= {"source_prompt": sample.case.source_prompt}
        many = bench.editor().edit(sample.source, DDPMInversion(**fields), seed=0, count=4).images
        same = bench.editor().edit(sample.source, DDIMInversion(**fields), seed=0, count=2).images
        different.append(diversity([unit(image) for image in many]))
        single.append(diversity([unit(image) for image in same]))
        outside += [psnr(unit(image), unit(sample.source), ~sample.change) for image in many]
    word, sentence = judged(paired(different, single), "distance of edits by other seeds, less DDIM inversion's", 4)
    reason = f"{sentence}; PSNR to the source outside the true change {mean_of(outside).text(1)} dB"
    return Finding(word, reason, {"diversity": mean_of(different).value, "diversity of ddim": mean_of(single).value})
