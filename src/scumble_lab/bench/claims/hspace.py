"""The claim that shifts of the bottleneck act linearly (arXiv 2210.10960 section 5.3).

What is linear by construction is the shift, ``h + c Delta h``; whether the picture follows is measured in two ways. The
attribute: log-odds that the classifier gives the new word, which a proportional cause moves along a line where
probabilities would saturate. The picture: root mean square of its change against strength 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scumble.errors import CheckpointError, InputError
from scumble.methods.asyrp.asyrp import Asyrp
from scumble.methods.asyrp.bundled import bundled_directions, load_direction
from scumble_lab.bench.attributes import SCENE_HEADS
from scumble_lab.bench.case import Sample
from scumble_lab.bench.claims.base import Bench, Curves, Finding, Word, all_of, judged
from scumble_lab.bench.metrics.adherence import pearson
from scumble_lab.bench.metrics.pixels import unit
from scumble_lab.bench.statistics import Mean, mean_of

__all__ = ["bend", "linearity", "straight"]

STRENGTHS = (-1.0, -0.5, 0.0, 0.5, 1.0)
NEAR = 1 / 3
"""Largest bend that is called a line: neither half of the way may bring more than twice the other."""

LEAST = 1e-30


def bend(middle: float, end: float) -> float:
    """How far a curve from (0, 0) to (1, end) is from its chord at 0.5, as a share of the end: 0 for a line.

    1 where all happens in the second half, -1 where all happens in the first.
    """
    return (end - 2 * middle) / end if end else math.nan


def straight(bend: Mean, what: str) -> tuple[Word, str]:
    """The verdict on "it bends by no more than NEAR": decided where the interval lies wholly on one side."""
    sentence = f"bend of {what} {bend.text()} (n={bend.count}; 0 is a line)"
    if bend.count < 2:
        return "undecided", f"{sentence}: too few"
    if bend.low >= -NEAR and bend.high <= NEAR:
        return "holds", sentence
    return ("does not hold" if bend.low > NEAR or bend.high < -NEAR else "undecided"), sentence


def linearity(bench: Bench) -> Finding:
    """Along each shipped direction, at strengths to both sides: does the picture follow in proportion?"""
    heads = {word: head for head in ("floor", "sky") for word in SCENE_HEADS[head]}
    fitting = [name for name in bundled_directions() if name in heads and _fits(bench, name)]
    if not fitting:
        return Finding("cannot be checked here", "no direction of a floor or sky for this model is in the package")
    if bench.judges.classifier is None:
        return Finding("cannot be checked here", "there is no classifier that reads the attribute")
    curves, lines, sizes, ways = {}, [], [], list[float]()
    for name in fitting:
        bends = []
        for sample in bench.samples(heads[name], max(2, bench.count // 2), (name,)):
            odds, size, way = _along(bench, sample, name, heads[name])
            bends.append([x - odds[2] for x in odds])
            sizes.append(size)
            ways.append(way)
        lines += bends
        curves[name] = (list(STRENGTHS), np.mean(bends, axis=0).tolist())
    grown, shrunk = (mean_of([one[k] for one in lines]) for k in (4, 0))
    # One bend of the mean curve, with pictures drawn anew: a picture that hardly changes has no bend of its own.
    bent = _bent([(one[3], one[4]) for one in lines])
    looks = _bent([(size[3], size[4]) for size in sizes])
    parts = [
        judged(grown, "log-odds of the new word gained at strength 1", 1),
        judged(Mean(-shrunk.value, -shrunk.high, -shrunk.low, shrunk.count), "lost at strength -1", 1),
        straight(bent, "the log-odds between 0 and 1"),
        straight(looks, "the size of the change"),
    ]
    same = float(np.nanmean(ways))
    line = pearson(STRENGTHS, np.mean(lines, axis=0))
    reason = "; ".join([*(sentence for _, sentence in parts), f"log-odds over all strengths correlate by {line:.3f}"])
    plot = Curves(title="Strength of a direction against the attribute", x="strength",
                  y="log-odds of the new word, less those at 0", curves=curves)  # fmt: skip
    figures = {"line": line, "way": same, "gained": grown.value, "lost": -shrunk.value, "bend": bent.value,
               "bend_of_size": looks.value}  # fmt: skip
    sentence = f"{reason}; changes at 0.5 and 1 correlate pixel by pixel by {same:.2f} ({len(fitting)} directions)"
    return Finding(all_of([word for word, _ in parts]), sentence, figures, plot)


def _along(bench: Bench, sample: Sample, name: str, head: str) -> tuple[list[float], list[float], float]:
    """Log-odds of the word, and size of the change, at each strength; and how alike the changes at 0.5 and 1 are."""
    steps = load_direction(name).about.steps
    editor = bench.editor()
    stored = editor.invert(
        sample.source, method="ddim", num_inference_steps=steps, iterations=3, seed=0, measured=False
    )
    edited = []
    for strength in STRENGTHS:
        method = Asyrp(directions=(name,), strengths=(strength,), num_inference_steps=steps)
        edited.append(editor.edit(sample.source, method, seed=0, inversion=stored).image)
    odds = [_log_odds(one.probabilities[head], name) for one in bench.judges.readings(edited) or ()]
    pictures = [unit(picture) for picture in edited]
    changes = [picture - pictures[2] for picture in pictures]
    size = [float(change.square().mean().sqrt()) for change in changes]
    return odds, size, pearson(changes[3].numpy(), changes[4].numpy())


def _log_odds(chances: Mapping[str, float], word: str) -> float:
    """Of a word against all others, from both sides: what is nearly certain and nearly impossible stays tellable."""
    others = sum(chance for other, chance in chances.items() if other != word)
    return math.log(max(chances[word], LEAST)) - math.log(max(others, LEAST))


def _bent(pairs: Sequence[tuple[float, float]], draws: int = 2000) -> Mean:
    """The bend of the mean curve, with its 95 % interval over pictures."""
    given = np.asarray(pairs, np.float64)
    chosen = given[np.random.default_rng(0).integers(0, len(given), (draws, len(given)))].mean(axis=1)
    low, high = np.nanpercentile([bend(middle, end) for middle, end in chosen], (2.5, 97.5))
    return Mean(bend(*given.mean(axis=0)), float(low), float(high), len(given))


def _fits(bench: Bench, name: str) -> bool:
    try:
        load_direction(name).fits(bench.editor().model, name)
    except (CheckpointError, InputError):
        return False
    return True
