"""Claims about words in a region: augmentations, ranking, and why blending beats pasting."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from scumble.evaluation.case import Sample
from scumble.evaluation.claims.base import Bench, Finding, judged
from scumble.evaluation.editors import EDITORS
from scumble.evaluation.score import overall
from scumble.evaluation.statistics import mean_of, paired
from scumble.methods.blended_diffusion import BlendedDiffusion
from scumble.methods.blended_latent_diffusion import BlendedLatentDiffusion

__all__ = ["augmentations", "blending_hides_seams", "ranking"]


def _figures(bench: Bench, sample: Sample, pictures: Sequence[Image.Image]) -> list[dict[str, float]]:
    return [bench.scored(sample, picture) for picture in pictures]


def augmentations(bench: Bench) -> Finding:
    """Blended Diffusion with 8 views against 1: does a judge that did not guide see the words better?"""
    scores: dict[int, list[float]] = {8: [], 1: []}
    done: dict[int, list[float]] = {8: [], 1: []}
    editor = EDITORS["blended-diffusion"]
    for sample in (*bench.samples("add"), *bench.samples("recolour")):
        for views in scores:
            settings = editor.settings(sample) | {"augmentations": views}
            found = bench.scored(sample, bench.edit(sample, BlendedDiffusion(**settings), pixels=True))
            scores[views].append(found.get("clip", float("nan")))
            done[views].append(found.get("success", float("nan")))
    word, said = judged(paired(scores[8], scores[1]), "judge's similarity with 8 views less 1", 2)
    rates = ", ".join(f"{v} views {mean_of(done[v]).text(0, 100)} %" for v in done)
    return Finding(word, f"{said}; success: {rates}", {"clip": paired(scores[8], scores[1]).value})


def ranking(bench: Bench) -> Finding:
    """The best of eight candidates by the ranking CLIP against the worst, as another CLIP and the classifier see it."""
    top: list[dict[str, float]] = []
    bottom: list[dict[str, float]] = []
    for sample in (*bench.samples("add"), *bench.samples("reshape")):
        settings = EDITORS["blended-latent-diffusion"].settings(sample)
        result = bench.editor().edit(sample.source, BlendedLatentDiffusion(**settings), seed=0, count=8)
        if "rank" not in result.reports[0]:
            return Finding("cannot be checked here", "; ".join(result.notices) or "the candidates were not ranked")
        first, last = _figures(bench, sample, [result.images[0], result.images[-1]])
        top.append(first)
        bottom.append(last)
    gains = {
        key: paired([f.get(key, float("nan")) for f in top], [f.get(key, float("nan")) for f in bottom])
        for key in ("success", "clip", "psnr_in")
    }
    score = paired([overall(f) for f in top], [overall(f) for f in bottom])
    word, said = judged(score, "score of the first less the last", 3)
    more = f"success {gains['success'].text(0, 100)} points, judge's similarity {gains['clip'].text(2)}"
    return Finding(word, f"{said}; {more}", {"score": score.value} | {k: g.value for k, g in gains.items()})


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
    word, said = judged(difference, "seam of pasting less that of blending")
    truth = mean_of(list(rows["ideal"].values())).text(2)
    return Finding(word, f"{said}; the truth's seam is {truth}", {"seam": difference.value})
