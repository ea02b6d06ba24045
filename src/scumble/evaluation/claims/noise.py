"""Claims about inversions: what their noise is like, how exactly they lead back, what they keep."""

from __future__ import annotations

from typing import Any

import numpy as np

from scumble.analysis.noise import analyse_noise
from scumble.evaluation.claims.base import Bench, Curves, Finding, Word, judged
from scumble.evaluation.metrics.diversity import diversity
from scumble.evaluation.metrics.pixels import psnr, unit
from scumble.evaluation.statistics import mean_of, paired
from scumble.images import to_image, to_tensor
from scumble.methods.cycle_diffusion import CycleDiffusion
from scumble.methods.ddim_inversion import DDIMInversion
from scumble.methods.ddpm_inversion import DDPMInversion

__all__ = ["edit_friendly_diversity", "edit_friendly_noise", "edit_friendly_preserves", "reconstruction"]

WORD_TASKS = ("recolour", "rematerial", "reshape", "floor", "sky")


def edit_friendly_noise(bench: Bench) -> Finding:
    """Edit-friendly noise maps have a larger variance than native ones, and consecutive ones point apart."""
    samples = bench.samples("floor")
    found = analyse_noise(
        bench.editor(),
        [sample.source for sample in samples],
        prompts=[sample.case.source_prompt for sample in samples],
        num_inference_steps=50,
    )
    variance = {name: float(np.mean([s.variance for s in steps])) for name, steps in found.items()}
    angles = {name: float(np.mean([s.angle for s in steps if s.angle is not None])) for name, steps in found.items()}
    wide = variance["edit-friendly"] > 1.05 * max(variance["native"], variance["naive"])
    apart = angles["edit-friendly"] > max(angles["native"], angles["naive"]) + 2
    said = "; ".join(f"{name}: variance {variance[name]:.2f}, angle {angles[name]:.1f}°" for name in found)
    curves = {name: ([s.step for s in steps], [s.variance for s in steps]) for name, steps in found.items()}
    plot = Curves(title="Variance of the noise maps", x="step", y="variance", curves=curves)
    figures = {f"variance {k}": v for k, v in variance.items()} | {f"angle {k}": v for k, v in angles.items()}
    return Finding("holds" if wide and apart else "does not hold", f"{said} (n={len(samples)})", figures, plot)


def reconstruction(bench: Bench) -> Finding:
    """With the source's own words: edit-friendly and naive lead back exactly, plain DDIM does not."""
    names = ("edit-friendly", "naive", "ddim", "ddim, 5 iterations", "codec")
    scores: dict[str, list[float]] = {name: [] for name in names}
    model = bench.editor().model
    for sample in bench.samples("sky"):
        words = sample.case.source_prompt
        said: dict[str, Any] = {"prompt": words, "source_prompt": words, "num_inference_steps": 25}
        said |= {"guidance_scale": 1.0}
        limit = to_image(model.decode(model.encode(to_tensor(sample.source).to(model.device))).detach().cpu())[0]
        scores["codec"].append(psnr(unit(limit), unit(sample.source)))
        for name, method in (
            ("edit-friendly", DDPMInversion(**said)),
            ("naive", CycleDiffusion(**said)),
            ("ddim", DDIMInversion(**said)),
            ("ddim, 5 iterations", DDIMInversion(**said, iterations=5)),
        ):
            made = bench.edit(sample, method)
            scores[name].append(psnr(unit(made), unit(limit)))
    means = {name: mean_of(values) for name, values in scores.items()}
    exact = min(means["edit-friendly"].value, means["naive"].value) > 55
    worse = paired(scores["edit-friendly"], scores["ddim"]).low > 0
    told = ", ".join(f"{name} {mean.text(1)}" for name, mean in means.items() if name != "codec")
    reason = f"PSNR to what the autoencoder gives back (60: equal): {told}; the autoencoder alone to the source"
    reason += f" {means['codec'].text(1)} (n={bench.count})"
    return Finding("holds" if exact and worse else "does not hold", reason, {k: v.value for k, v in means.items()})


def edit_friendly_preserves(bench: Bench) -> Finding:
    """From the benchmark's results: better preservation than DDIM inversion and SDEdit at no less success."""
    collected = bench.collected
    if collected is None:
        return Finding("cannot be checked here", "there are no results yet: scumble bench run comes first")
    by_editor = {
        name: {row.case.id: row.figures for row in collected.of(name, WORD_TASKS)}
        for name in ("ddpm-inversion", "ddim-inversion", "sdedit")
    }
    shared = sorted(set.intersection(*(set(rows) for rows in by_editor.values())))
    if len(shared) < 2 or "success" not in by_editor["ddpm-inversion"][shared[0]]:
        return Finding("cannot be checked here", "the three methods have no scored results in common")
    words: list[Word] = []
    parts: list[str] = []
    figures: dict[str, float] = {}
    for other in ("ddim-inversion", "sdedit"):
        kept, done = (
            paired([by_editor["ddpm-inversion"][c][k] for c in shared], [by_editor[other][c][k] for c in shared])
            for k in ("psnr_out", "success")
        )
        words.append(judged(kept, "")[0])
        if done.high < 0:
            words.append("does not hold")
        parts.append(f"against {other}: PSNR outside {kept.text(1)} dB, success {done.text(0, 100)} points")
        figures |= {f"psnr_out less {other}": kept.value, f"success less {other}": done.value}
    word: Word = words[0] if len(set(words)) == 1 else "cannot be checked here"
    if "does not hold" in words:
        word = "does not hold"
    return Finding(word, f"{'; '.join(parts)} (n={len(shared)})", figures)


def edit_friendly_diversity(bench: Bench) -> Finding:
    """Other draws of the inversion give other edits of one picture, all of which keep the rest."""
    different, single, outside = [], [], []
    for sample in bench.samples("rematerial", max(2, bench.count // 2)):
        said: dict[str, Any] = {"prompt": sample.case.prompt, "num_inference_steps": 25}
        said |= {"source_prompt": sample.case.source_prompt}
        many = bench.editor().edit(sample.source, DDPMInversion(**said), seed=0, count=4).images
        same = bench.editor().edit(sample.source, DDIMInversion(**said), seed=0, count=2).images
        assert sample.target is not None and sample.change is not None
        different.append(diversity([unit(image) for image in many]))
        single.append(diversity([unit(image) for image in same]))
        outside += [psnr(unit(image), unit(sample.source), ~sample.change) for image in many]
    word, said_ = judged(paired(different, single), "distance of edits by other seeds, less DDIM inversion's", 4)
    reason = f"{said_}; PSNR to the source outside the true change {mean_of(outside).text(1)} dB"
    return Finding(word, reason, {"diversity": mean_of(different).value, "diversity of ddim": mean_of(single).value})
