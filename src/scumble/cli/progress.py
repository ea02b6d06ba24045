"""The progress bar of the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scumble.methods.progress import Progress as Step

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(quiet: bool, text: str) -> Iterator[Callable[[Step], None] | None]:
    """Yield a callback that moves a bar on stderr, or None when nothing is to be shown."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)

        def on_step(step: Step) -> None:
            bar.update(task, total=step.steps, completed=step.step, description=f"{text} {step.samples[0]}")

        yield on_step
