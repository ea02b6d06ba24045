"""What a claim of a paper is here: a named experiment with a verdict, filed beside the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.methods.method import Method
from scumble.records.view import VIEW_0_1
from scumble_lab.bench.case import Sample
from scumble_lab.bench.collect import Collected, collect
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.models_in_use import Workshop
from scumble_lab.bench.readers import open_benchmark
from scumble_lab.bench.score import score
from scumble_lab.bench.scores_file import read_scores
from scumble_lab.bench.statistics import Mean
from scumble_lab.bench.tasks import draw
from scumble_lab.bench.verdicts import Curves, Word

__all__ = ["Bench", "Claim", "Curves", "Finding", "Word", "all_of", "judged"]

SEED = 77
"""Of the scenes that experiments draw for themselves: another than that of benchmarks."""


@dataclass(frozen=True)
class Finding:
    """What an experiment found: the verdict, the figures behind it in a sentence, and as numbers."""

    verdict: Word
    reason: str
    figures: dict[str, float] = field(default_factory=dict)
    plot: Curves | None = None


@dataclass(frozen=True)
class Claim:
    """A claim and the experiment that checks it, by what it makes itself or by what a benchmark run has made."""

    name: str
    statement: str
    paper: str
    experiment: Callable[[Bench], Finding]
    reads_results: bool = False


@dataclass
class Bench:
    """What experiments work with: models, judges, scenes, and the results that a benchmark run has made.

    Attributes:
        folder: The benchmark's folder.
        workshop: The models.
        count: Pictures or cases for each experiment.
        scores: A report's `scores.csv` of the benchmark's cases, in place of its results.
    """

    folder: Path
    workshop: Workshop
    count: int
    scores: Path | None = None

    @cached_property
    def judges(self) -> Judges:
        """The networks that judge."""
        return Judges.load()

    @cached_property
    def collected(self) -> Collected | None:
        """All scored results of the benchmark, or those that a report has kept; None where there are none."""
        if self.scores is not None:
            return read_scores(self.scores, open_benchmark(self.folder))
        try:
            benchmark: Benchmark = open_benchmark(self.folder)
            return collect(benchmark, self.judges)
        except InputError:
            return None

    def editor(self, pixels: bool = False) -> Editor:
        """The editor on the latent or the pixel model."""
        return self.workshop.editor(pixels)

    def samples(self, task: str, count: int | None = None, words: Sequence[str] = ()) -> list[Sample]:
        """Cases of a task (to these new values) that no benchmark of the usual seed has, at the model's size."""
        size = self.editor().model.native_size
        return [draw(task, number, SEED, size, words) for number in range(count or self.count)]

    def edit(self, sample: Sample, method: Method, seed: int = 0, pixels: bool = False) -> Image.Image:
        """The picture that a method makes of a case."""
        return self.editor(pixels).edit(sample.source, method, seed=seed, view=VIEW_0_1).image

    def scored(self, sample: Sample, result: Image.Image) -> dict[str, float]:
        """All figures of a picture."""
        readings = self.judges.readings([result])
        return score(sample, result, self.judges, None if readings is None else readings[0])


def judged(difference: Mean, what: str, digits: int = 2, scale: float = 1.0) -> tuple[Word, str]:
    """The verdict on "the difference is positive", by its 95 % interval: undecided if it holds 0 or is of one case."""
    sentence = f"{what} {difference.text(digits, scale)} (n={difference.count})"
    if not difference.count:
        return "cannot be checked here", f"{what}: no results"
    if difference.count == 1:
        return "undecided", f"{sentence}: one case decides nothing"
    if difference.low > 0:
        return "holds", sentence
    if difference.high < 0:
        return "does not hold", sentence
    return "undecided", f"{sentence}: the interval holds 0"


def all_of(words: Sequence[Word]) -> Word:
    """The verdict on a claim of several parts: it fails with one of them, and holds with all of them."""
    for word in ("does not hold", "cannot be checked here", "undecided"):
        if word in words:
            return word
    return "holds"
