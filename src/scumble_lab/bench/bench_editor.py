"""What a benchmark knows of an editor: which tasks it is for, and how it is set for a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from scumble.errors import InputError
from scumble.methods.method import Method
from scumble.methods.registry import method_class
from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.tasks import TASKS

__all__ = ["BenchEditor", "Family"]

Family = Literal["trivial", "words", "region", "drag", "guidance"]
Settings = Callable[[Sample], dict[str, Any]]
Finish = Callable[[Image.Image, Sample], Image.Image]


@dataclass(frozen=True)
class BenchEditor:
    """One row of the tables.

    Attributes:
        name: Its name and that of its folder of results.
        family: With which others it is compared.
        about: What it is and how it is set, in one line.
        tasks: What it is for. Benchmarks with tasks of their own names are done by all that follow words.
        method: Registry name; None for the trivial ones.
        settings: The method's fields for a case.
        pixels: Whether it needs the pixel model.
        model: A bundled model that it needs in place of the run's; empty for most.
        trivial: What a trivial editor returns.
        finish: What is done to the picture afterwards.
        able: Of its tasks' cases the ones it can do; None: all.
        needs_truth: Whether it can only do cases whose true result is known.
        variant: Whether it is another setting of a row, done only where it is asked for by name or with `variants`.
    """

    name: str
    family: Family
    about: str
    tasks: tuple[str, ...] = TASKS
    method: str | None = None
    settings: Settings = field(default=lambda sample: {})
    pixels: bool = False
    model: str = ""
    trivial: Callable[[Sample, int], Image.Image] | None = None
    finish: Finish | None = None
    able: Callable[[Case], bool] | None = None
    needs_truth: bool = False
    variant: bool = False

    def build(self, sample: Sample) -> Method:
        """The method with its settings for a case."""
        if self.method is None:
            raise InputError(f"{self.name} is a trivial editor: it runs no method")
        method: Method = method_class(self.method)(**self.settings(sample))
        return method

    def does(self, sample_task: str) -> bool:
        """Whether a task is for it; of other benchmarks, drags are for all that drag, the rest for all words."""
        if sample_task in TASKS:
            return sample_task in self.tasks
        return self.family in ("trivial", "drag" if sample_task.startswith("drag: ") else "words")

    def takes(self, case: Case) -> bool:
        """Whether a case is for it."""
        return self.does(case.task) and (self.able is None or self.able(case))
