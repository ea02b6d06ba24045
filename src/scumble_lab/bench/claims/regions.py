"""Claims about words in a region: augmentations, ranking, and why blending beats pasting."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image

from scumble.methods.inpainting.blended_diffusion import BlendedDiffusion
from scumble.methods.inpainting.paint_by_word import PaintByWord
from scumble_lab.bench.case import Sample
from scumble_lab.bench.claims.base import Bench, Finding, judged
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.score import overall
from scumble_lab.bench.statistics import mean_of, paired

__all__ = ["augmentations", "blending_hides_seams", "ranking"]

CANDIDATES, ENDS = 8, 2


def _cases(bench: Bench, *tasks: str) -> list[Sample]:
    """As many cases as the bench wants, shared among the tasks."""
    return [sample for task in tasks for sample in bench.samples(task, -(-bench.count // len(tasks)))]


def augmentations(bench: Bench) -> Finding:
    """Guidance by 8 views against 1, as a judge that did not guide sees it.

    In pixels by Blended Diffusion, whose words act through the CLIP alone; on the latent model by Paint by Word, which
    is led by the same CLIP. Both run shorter than by default.
    """
    cases = _cases(bench, "add", "recolour")
    gains: dict[str, dict[str, list[float]]] = {}
    for name, kind, short, pixels in (
        ("blended-diffusion", BlendedDiffusion, {"num_inference_steps": 20}, True),
        ("paint-by-word", PaintByWord, {"iterations": 30}, False),
    ):
        by_views: dict[int, list[dict[str, float]]] = {8: [], 1: []}
        for sample in cases:
            settings = EDITORS[name].settings(sample) | short
            for views, rows in by_views.items():
                picture = bench.edit(sample, kind(**settings | {"augmentations": views}), pixels=pixels)
                rows.append(bench.scored(sample, picture))
        gains[name] = {
            key: [
                many.get(key, math.nan) - one.get(key, math.nan)
                for many, one in zip(by_views[8], by_views[1], strict=True)
            ]
            for key in ("clip", "asked", "success", "psnr_in")
        }
    word, sentence = judged(
        mean_of([x for g in gains.values() for x in g["clip"]]), "judge's similarity, 8 views less 1", 2
    )
    parts = [
        f"{name}: similarity {mean_of(g['clip']).text(2)}, asked {mean_of(g['asked']).text(0, 100)} and success"
        f" {mean_of(g['success']).text(0, 100)} points, PSNR inside {mean_of(g['psnr_in']).text(1)} dB"
        for name, g in gains.items()
    ]
    figures = {f"{key} {name}": mean_of(values).value for name, g in gains.items() for key, values in g.items()}
    return Finding(word, "; ".join([sentence, *parts]), figures)


def ranking(bench: Bench) -> Finding:
    """Of eight candidates the CLIP's first two against its last two, as another CLIP and the classifier see them.

    By Blended Diffusion, as in the paper: those of the latent method nearly all succeed, and leave nothing to rank.
    """
    top: list[dict[str, float]] = []
    bottom: list[dict[str, float]] = []
    for sample in _cases(bench, "add", "reshape"):
        settings = EDITORS["blended-diffusion"].settings(sample) | {"num_inference_steps": 25}
        result = bench.editor(pixels=True).edit(sample.source, BlendedDiffusion(**settings), seed=0, count=CANDIDATES)
        if "rank" not in result.reports[0]:
            return Finding("cannot be checked here", "; ".join(result.notices) or "the candidates were not ranked")
        top.append(_mean_figures(bench, sample, result.images[:ENDS]))
        bottom.append(_mean_figures(bench, sample, result.images[-ENDS:]))
    gains = {
        key: paired([f.get(key, math.nan) for f in top], [f.get(key, math.nan) for f in bottom])
        for key in ("score", "success", "asked", "clip", "psnr_in")
    }
    word, sentence = judged(gains["score"], "score of the first two less the last two", 3)
    more = f"success {gains['success'].text(0, 100)} and asked {gains['asked'].text(0, 100)} points"
    more += f", judge's similarity {gains['clip'].text(2)}, PSNR inside {gains['psnr_in'].text(1)} dB"
    return Finding(word, f"{sentence}; {more}", {key: gain.value for key, gain in gains.items()})


def _mean_figures(bench: Bench, sample: Sample, pictures: Sequence[Image.Image]) -> dict[str, float]:
    scores = [bench.scored(sample, picture) for picture in pictures]
    scores = [figures | {"score": overall(figures)} for figures in scores]
    return {key: sum(figures[key] for figures in scores) / len(scores) for key in scores[0]}


def blending_hides_seams(bench: Bench) -> Finding:
    """From the benchmark's results: the seam of pasting at the end against that of blending at every step."""
    collected = bench.collected
    tasks = ("remove", "outpaint", "add")  # where the border crosses no edge of the picture's own
    if collected is None:
        return Finding("cannot be checked here", "there are no results yet: scumble bench run comes first")
    rows = {
        name: {row.case.id: row.figures.get("seam", float("nan")) for row in collected.of(name, tasks)}
        for name in ("paste-at-end", "blended-latent-diffusion", "ideal")
    }
    shared = sorted(set(rows["paste-at-end"]) & set(rows["blended-latent-diffusion"]))
    pasting, blending = ([rows[n][c] for c in shared] for n in ("paste-at-end", "blended-latent-diffusion"))
    difference = paired(pasting, blending)
    word, sentence = judged(difference, "seam of pasting less that of blending")
    truth = mean_of(list(rows["ideal"].values())).text(2)
    return Finding(word, f"{sentence}; the truth's seam is {truth}", {"seam": difference.value})
