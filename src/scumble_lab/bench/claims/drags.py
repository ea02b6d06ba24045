"""Claims about drags: cost, start step, layer and propagation (arXiv 2404.01050)."""

from __future__ import annotations

from typing import Any

from scumble.methods.drag.drag_noise import DragNoise
from scumble.methods.drag.supervision import supervision_site
from scumble_lab.bench.claims.base import Bench, Finding, all_of, judged
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.statistics import Mean, mean_of, paired

__all__ = ["drag_noise_cost", "layers", "lora", "objects_move", "propagation", "start_step"]


def _no_results() -> Finding:
    return Finding("cannot be checked here", "there are no results of these methods yet: scumble bench run comes first")


def _from_results(bench: Bench, figure: str, names: tuple[str, ...]) -> dict[str, list[float]] | None:
    if bench.collected is None:
        return None
    rows = {name: {row.case.id: row.figures for row in bench.collected.of(name, ("move",))} for name in names}
    shared = sorted(set.intersection(*(set(scores) for scores in rows.values())))
    if len(shared) < 2:
        return None
    return {name: [scores[c].get(figure, float("nan")) for c in shared] for name, scores in rows.items()}


def drag_noise_cost(bench: Bench) -> Finding:
    """Rows of DragNoise against DragDiffusion for the same drags, a backward row counted twice."""
    names = ("drag-noise-as-published", "drag-diffusion-as-published")
    forward, backward = (_from_results(bench, key, names) for key in ("forward_rows", "backward_rows"))
    seconds = _from_results(bench, "seconds", names)
    if forward is None or backward is None or seconds is None:
        return _no_results()
    total = {n: [f + 2 * b for f, b in zip(forward[n], backward[n], strict=True)] for n in names}
    word, sentence = judged(paired(seconds[names[1]], seconds[names[0]]), "seconds of DragDiffusion less DragNoise", 1)
    means = ", ".join(f"{n} {mean_of(total[n]).text(0)} rows, {mean_of(seconds[n]).text(1)} s" for n in names)
    return Finding(word, f"{sentence}; {means}", {n: mean_of(total[n]).value for n in names})


def objects_move(bench: Bench) -> Finding:
    """From the benchmark's results: the share of the way that is left, against doing nothing."""
    published = ("drag-noise-as-published", "drag-diffusion-as-published")
    names = ("identity", *published, "drag-noise", "drag-diffusion", "warp-drag")
    left = _from_results(bench, "moved", names)
    if left is None:
        return _no_results()
    gains = {name: paired(left["identity"], left[name]) for name in names[1:]}
    words = {name: judged(gain, "")[0] for name, gain in gains.items()}
    word = all_of([words[name] for name in published])
    sentence = ", ".join(f"{name} {mean_of(left[name]).text(0, 100)} %" for name in names)
    figures = {name: mean_of(left[name]).value for name in names}
    return Finding(word, f"share of the way that is left: {sentence} (n={len(left['identity'])})", figures)


LEARNING_RATE = 0.1
"""Of the ablations. With the published 0.02 no element of the bundled model's bottleneck moves by more than 1.6 in 80
updates, where an object's move changes it by 2.5 in the mean: nothing moves, and settings cannot be told apart."""


def _ablation(bench: Bench, settings: dict[str, dict[str, Any]], count: int) -> dict[str, dict[str, list[float]]]:
    """Figures of DragNoise under several settings, on the same drags, beginning at the picture as published."""
    by_setting: dict[str, dict[str, list[float]]] = {name: {"moved": [], "psnr": []} for name in settings}
    for sample in bench.samples("move", count):
        for name, more in settings.items():
            given = EDITORS["drag-noise-as-published"].settings(sample) | {"learning_rate": LEARNING_RATE} | more
            method = DragNoise(**given)
            figures = bench.scored(sample, bench.edit(sample, method))
            for key, values in by_setting[name].items():
                values.append(figures[key])
    return by_setting


def _told(mean: dict[str, dict[str, list[float]]]) -> str:
    lines = [
        f"{name}: {mean_of(f['moved']).text(0, 100)} % of the way left, PSNR {mean_of(f['psnr']).text(1)}"
        for name, f in mean.items()
    ]
    return "; ".join(lines)


def _best(mean: dict[str, dict[str, list[float]]], ours: str) -> tuple[Mean, str]:
    """How much closer to the truth the named setting is than the best of the others."""
    others = [name for name in mean if name != ours]
    rival = max(others, key=lambda name: mean_of(mean[name]["psnr"]).value)
    return paired(mean[ours]["psnr"], mean[rival]["psnr"]), rival


def start_step(bench: Bench) -> Finding:
    """Dragging at step 35 of 50 against 45 and 25 (strength 0.7 against 0.9 and 0.5)."""
    count = max(2, bench.count // 2)
    figures = _ablation(bench, {f"strength {s}": {"strength": s} for s in (0.9, 0.7, 0.5)}, count)
    gain, rival = _best(figures, "strength 0.7")
    word, sentence = judged(gain, f"PSNR of 0.7 less {rival}")
    return Finding(word, f"{sentence}; {_told(figures)}", {n: mean_of(f["psnr"]).value for n, f in figures.items()})


def layers(bench: Bench) -> Finding:
    """The bottleneck against the encoder's blocks and those of the decoder that the supervised features come from.

    What lies behind the supervised layer has no influence on it, so it cannot be dragged.
    """
    denoiser: Any = bench.editor().model.denoiser
    last = int(supervision_site(denoiser).rpartition(".")[2])
    downs = [f"down_blocks.{k}" for k in range(len(denoiser.down_blocks))][-2:]
    names = ["mid_block", *downs, *(f"up_blocks.{k}" for k in range(last + 1))]
    count = max(2, bench.count // 2)
    figures = _ablation(bench, {name: {"layer": name} for name in names}, count)
    gain, rival = _best(figures, "mid_block")
    word, sentence = judged(gain, f"PSNR of the bottleneck less {rival}")
    return Finding(word, f"{sentence}; {_told(figures)}", {n: mean_of(f["psnr"]).value for n, f in figures.items()})


def propagation(bench: Bench) -> Finding:
    """Carrying the dragged bottleneck on against giving it back early, in runs of 25 steps of which 17 are made."""
    count = max(2, bench.count // 2)
    figures = _ablation(bench, {f"last {n} steps free": {"end_steps": n} for n in (0, 5, 12)}, count)
    moved = paired(figures["last 12 steps free"]["moved"], figures["last 0 steps free"]["moved"])
    word, sentence = judged(moved, "more of the way left when 12 steps are free", 0, 100)
    return Finding(word, f"{sentence}; {_told(figures)}", {n: mean_of(f["moved"]).value for n, f in figures.items()})


LORA_STEPS = 60
"""Of the LoRA per picture; 80 in DragDiffusion, at 512 pixels."""


def lora(bench: Bench) -> Finding:
    """Drags that begin at the pulled picture, with a LoRA of the picture and without: PSNR to the true result."""
    psnrs: dict[str, list[float]] = {"with": [], "without": []}
    rows: dict[str, list[float]] = {"with": [], "without": []}
    samples = bench.samples("move", max(2, bench.count // 2))
    for sample in samples:
        for name, steps in (("with", LORA_STEPS), ("without", 0)):
            method = DragNoise(**EDITORS["drag-noise"].settings(sample) | {"lora_steps": steps})
            result = bench.editor().edit(sample.source, method, seed=0)
            psnrs[name].append(bench.scored(sample, result.images[0])["psnr"])
            rows[name].append(result.cost.forward_rows + 2.0 * result.cost.backward_rows)
    word, sentence = judged(paired(psnrs["with"], psnrs["without"]), "PSNR with a LoRA less that without", 2)
    details = "; ".join(f"{n}: {mean_of(psnrs[n]).text(1)} dB for {mean_of(rows[n]).value:.0f} rows" for n in psnrs)
    return Finding(word, f"{sentence}; {details} (n={len(samples)})", {n: mean_of(v).value for n, v in psnrs.items()})
