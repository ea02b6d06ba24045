"""Claims about words with a place: two changes at once, word maps in place of true ones, rules of guidance."""

from __future__ import annotations

from typing import Any

import numpy as np

from scumble.methods.registry import method_class
from scumble_lab.bench.case import Sample
from scumble_lab.bench.claims.base import Bench, Finding, Word, all_of, judged
from scumble_lab.bench.editors import EDITORS
from scumble_lab.bench.statistics import Mean, mean_of, paired
from scumble_lab.bench.two_changes import TWO_CHANGES

__all__ = ["guiders", "ledits_beside_one_prompt", "places_beside_one_prompt", "word_maps"]

CLOSE = 0.05
"""Share of success that a word map may cost."""
RULES = ("cfg++", "apg", "zero-star", "interval", "rescale", "tangential", "frequency", "pag", "seg", "auto")
GUIDED: dict[str, dict[str, Any]] = {
    "sdedit": {"strength": 0.75},
    "differential-diffusion": {"strength": 0.9},
    "blended-latent-diffusion": {"rank": False},
    "ddpm-inversion": {},
}
STEPS = 12


def _success(bench: Bench, samples: list[Sample], row: str) -> list[float]:
    """Success of a row of the benchmark on cases drawn for this claim."""
    editor = EDITORS[row]
    return [bench.scored(one, bench.edit(one, editor.build(one)))["success"] for one in samples]


def _beside_one_prompt(bench: Bench, row: str, what: str) -> Finding:
    """Both changes of ``two-objects`` and ``floor-and-remove``, by a row and by one prompt for both."""
    words: list[Word] = []
    sentences, figures = [], dict[str, float]()
    for task in TWO_CHANGES:
        samples = bench.samples(task)
        one, other = _success(bench, samples, "two-by-one-prompt"), _success(bench, samples, row)
        word, sentence = judged(paired(other, one), f"{task}: points of success of {what} over one prompt", 0, 100)
        words.append(word)
        sentences.append(f"{sentence}, {100 * np.mean(other):.0f} against {100 * np.mean(one):.0f} %")
        figures |= {f"{task} {what}": float(np.mean(other)), f"{task} one prompt": float(np.mean(one))}
    return Finding(all_of(words), "; ".join(sentences), figures)


def places_beside_one_prompt(bench: Bench) -> Finding:
    """A prompt for each region against one prompt for both changes."""
    return _beside_one_prompt(bench, "two-by-places", "places")


def ledits_beside_one_prompt(bench: Bench) -> Finding:
    """Both changes added, their places found, against one prompt for both changes."""
    return _beside_one_prompt(bench, "two-by-ledits", "ledits")


def within(difference: Mean, most: float, what: str) -> tuple[Word, str]:
    """The verdict on "no worse by more than ``most``", by the 95 % interval of a difference of successes."""
    sentence = f"{what} {difference.text(0, 100)} points (n={difference.count})"
    if difference.count < 2:
        return "undecided", f"{sentence}: too few cases"
    if difference.low >= -most:
        return "holds", sentence
    if difference.high < -most:
        return "does not hold", sentence
    return "undecided", f"{sentence}: the interval holds {-100 * most:.0f}"


def word_maps(bench: Bench) -> Finding:
    """Every masked method in the painted region, and in the map of the thing's word."""
    samples = [one for task in ("recolour", "reshape") for one in bench.samples(task) if one.case.names_its_thing]
    words: list[Word] = []
    sentences, figures = [], dict[str, float]()
    for row in ("differential-diffusion", "blended-latent-diffusion", "edit-friendly-in-region"):
        true, looked = _success(bench, samples, row), _success(bench, samples, f"{row}-word-map")
        word, sentence = within(paired(looked, true), CLOSE, f"{row}, word map less painted region")
        words.append(word)
        sentences.append(f"{sentence}, {100 * np.mean(looked):.0f} against {100 * np.mean(true):.0f} %")
        figures |= {f"{row} word map": float(np.mean(looked)), f"{row} region": float(np.mean(true))}
    return Finding(all_of(words), "; ".join(sentences), figures)


def guiders(bench: Bench) -> Finding:
    """Recoloring by every rule of guidance against the usual one, in four methods."""
    samples = bench.samples("recolour")
    gains: dict[str, list[float]] = {rule: [] for rule in RULES}
    figures: dict[str, float] = {}
    for name, fields in GUIDED.items():
        usual = [_guided(bench, one, name, fields, "cfg") for one in samples]
        figures[f"{name} cfg"] = float(np.mean(usual))
        for rule, gained in gains.items():
            ruled = [_guided(bench, one, name, fields, rule) for one in samples]
            figures[f"{name} {rule}"] = float(np.mean(ruled))
            gained += [a - b for a, b in zip(ruled, usual, strict=True)]
    best = max(gains, key=lambda rule: mean_of(gains[rule]).value)
    word, sentence = judged(mean_of(gains[best]), f"success of {best}, the best rule, less that of cfg", 2)
    return Finding(word, sentence, figures)


def _guided(bench: Bench, sample: Sample, name: str, fields: dict[str, Any], rule: str) -> float:
    settings = {**EDITORS[name].settings(sample), **fields, "num_inference_steps": STEPS, "guider": rule}
    return bench.scored(sample, bench.edit(sample, method_class(name)(**settings)))["success"]
