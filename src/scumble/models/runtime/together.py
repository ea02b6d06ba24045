"""Several runs on one network at once: each in a thread of its own, and the network called once for all of them.

Only one run works at any moment, in a fixed order, until it needs the network; when all that are left do, it is called
once for those whose inputs fit together. So what is computed never depends on timing. A run may be of any method and
length, may fail or be stopped: the others go on without it. What no runtime answers (taps, gradients, a network with
something attached) is a run's own call, made while it has its turn.
"""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar, cast

import torch
from torch import Tensor

from scumble.models.base import Model
from scumble.models.forward import by_torch
from scumble.models.runtime.answers import Answers
from scumble.models.runtime.base import DenoiserOnly
from scumble.models.runtime.inputs import as_keywords
from scumble.models.runtime.untouched import Watch

__all__ = ["Beside", "Companion", "Padded", "in_group", "repeated", "run_together"]

T = TypeVar("T")
Beside = tuple[int, int, int]
"""(calls, rows before, rows behind): so many calls in a row were shared by so many rows of others."""


class Companion(DenoiserOnly, ABC):
    """What answers for one of the runs: PyTorch, in calls that it shares with the others.

    Attributes:
        beside: With how many rows of others each call was shared, equal ones together.
    """

    name, version, remark = "torch", "in a group", ""

    def __init__(self, precision: str, watch: Watch) -> None:
        self.precision, self.answers, self.watch = precision, Answers(), watch
        self.beside: list[Beside] = []

    def begin(self, steps: int) -> None:
        """A run begins: nothing is prepared for it."""

    @abstractmethod
    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return the raw output of the denoiser."""

    def note(self, before: int, behind: int) -> None:
        """Write down with how many rows a call was shared."""
        calls = 0
        if self.beside and self.beside[-1][1:] == (before, behind):
            calls = self.beside.pop()[0]
        self.beside.append((calls + 1, before, behind))


class Padded(Companion):
    """Repeats one run of a group alone, to the last bit: rows of its own stand in for those of the others.

    What a network makes of a row depends on how many there are and on its place, not on what is in the others.

    Args:
        model: The model.
        precision: What the network computes in.
        beside: As a run of the group wrote it down.
    """

    def __init__(self, model: Model, precision: str, beside: Sequence[Beside]) -> None:
        super().__init__(precision, Watch())
        self._model = model
        self._left = [one[1:] for one in beside for _ in range(one[0])]

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Return the raw output of the denoiser for these rows in their place among the others."""
        before, behind = self._left.pop(0) if self._left else (0, 0)
        self.note(before, behind)
        count = x.shape[0]
        rows = torch.arange(-before, count + behind, device=x.device) % count
        if before or behind:
            x, t, inputs = x[rows], t.expand(count)[rows], {name: value[rows] for name, value in inputs.items()}
        return by_torch(self._model.denoiser, x, t, as_keywords(inputs))[before : before + count]


@dataclass
class _Asked:
    x: Tensor
    t: Tensor
    inputs: dict[str, Tensor]

    @property
    def kind(self) -> tuple[object, ...]:
        """What must be equal for two to share a call."""
        shapes = sorted((name, tuple(value.shape[1:]), str(value.dtype)) for name, value in self.inputs.items())
        return (tuple(self.x.shape[1:]), str(self.x.dtype), str(self.t.dtype), str(shapes))


@dataclass
class _Run(Companion):
    """One of the runs, and the two bells by which it and the others take turns."""

    precision: str
    watch: Watch
    go: threading.Event = field(default_factory=threading.Event)
    back: threading.Event = field(default_factory=threading.Event)
    asked: _Asked | None = None
    answer: Tensor | BaseException | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        super().__init__(self.precision, self.watch)

    def denoise(self, x: Tensor, t: Tensor, inputs: dict[str, Tensor]) -> Tensor | None:
        """Wait until all others need the network too, and return what it made of these rows."""
        self.asked = _Asked(x, t, inputs)
        self.pause()
        answer, self.answer = self.answer, None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def pause(self) -> None:
        """Let the others work until it is this run's turn again."""
        self.back.set()
        self.go.wait()
        self.go.clear()

    def proceed(self) -> None:
        """Work until the network is needed, or to the end."""
        self.go.set()
        self.back.wait()
        self.back.clear()


def in_group(model: Model, companion: Companion) -> Model:
    """The same model for one run, whose calls are answered by ``companion``."""
    mine = copy.copy(model)
    mine.runtime = companion
    return mine


def repeated(model: Model, beside: Sequence[Beside]) -> Padded | None:
    """What repeats a run of a group on this model; None: it was of no group, or a runtime answers for the model."""
    if not beside or model.runtime is not None:
        return None
    return Padded(model, str(model.dtype).removeprefix("torch."), beside)


def run_together(model: Model, works: Sequence[Callable[[Model], T]]) -> list[tuple[T | BaseException, list[Beside]]]:
    """Do several pieces of work on one model, and return what each gave or raised, and what its calls were shared with.

    Args:
        model: Its network is called by PyTorch; a runtime that it has is not used.
        works: Each is given the model to work with, in a thread of its own.
    """
    precision = str(model.dtype).removeprefix("torch.")
    watch = Watch()
    runs = [_Run(precision, watch) for _ in works]
    results: list[T | BaseException] = [RuntimeError("it was never begun")] * len(works)
    threads_each = torch.get_num_threads()

    def work(k: int) -> None:
        torch.set_num_threads(threads_each)
        runs[k].go.wait()
        runs[k].go.clear()
        try:
            results[k] = works[k](in_group(model, runs[k]))
        except BaseException as error:  # it is the caller's, who asked for all of them
            results[k] = error
        runs[k].ended = True
        runs[k].back.set()

    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(len(works))]
    for thread in threads:
        thread.start()
    while alive := [run for run in runs if not run.ended]:
        for run in alive:
            run.proceed()
        _answer(model, [run for run in alive if not run.ended])
    for thread in threads:
        thread.join()
    return [(result, run.beside) for result, run in zip(results, runs, strict=True)]


def _answer(model: Model, runs: Sequence[_Run]) -> None:
    """Call the network once for all runs whose inputs fit together; where that fails, for each by itself."""
    kinds = [(cast("_Asked", run.asked).kind, run) for run in runs]
    for _, alike in groupby(sorted(kinds, key=lambda one: repr(one[0])), key=lambda one: repr(one[0])):
        group = [run for _, run in alike]
        try:
            _call(model, group)
        except Exception:
            for run in group:
                try:
                    _call(model, [run])
                except Exception as error:
                    run.answer = error


def _call(model: Model, group: Sequence[_Run]) -> None:
    asked = [cast("_Asked", run.asked) for run in group]
    counts = [one.x.shape[0] for one in asked]
    if len(group) == 1:
        x, t, inputs = asked[0].x, asked[0].t, asked[0].inputs
    else:
        x = torch.cat([one.x for one in asked])
        t = torch.cat([one.t.expand(count) for one, count in zip(asked, counts, strict=True)])
        inputs = {name: torch.cat([one.inputs[name] for one in asked]) for name in asked[0].inputs}
    with torch.no_grad():
        output = by_torch(model.denoiser, x, t, as_keywords(inputs))
    for run, first, count in zip(group, _starts(counts), counts, strict=True):
        run.answer = output[first : first + count]
        run.note(first, output.shape[0] - first - count)


def _starts(counts: Sequence[int]) -> list[int]:
    return [sum(counts[:k]) for k in range(len(counts))]
