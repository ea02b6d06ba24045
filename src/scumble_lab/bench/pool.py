"""Makes results in several processes that leave when the run is broken off or dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from scumble.errors import ScumbleError
from scumble.interrupts import interrupts_blocked
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.make_result import Done, clear_unfinished, one_result
from scumble_lab.bench.models_in_use import Workshop
from scumble_lab.bench.readers import open_benchmark

__all__ = ["in_processes"]


def in_processes(
    benchmark: Benchmark, workshop: Workshop, due: Sequence[tuple[str, str, dict[str, Any]]], jobs: int
) -> Generator[Done, None, None]:
    """Yield results as they are made; close the iterator to break off.

    Raises:
        ScumbleError: if a process was killed; what was made is kept.
    """
    context = multiprocessing.get_context("spawn")
    line, own_end = context.Pipe(duplex=False)
    given = (line, benchmark.folder, workshop.names[False], workshop.names[True], workshop.device, jobs)
    pool = ProcessPoolExecutor(jobs, context, _set_up, given)
    try:
        with interrupts_blocked():
            waiting = [pool.submit(_one, *entry) for entry in due]
        for future in as_completed(waiting):
            yield future.result()
    except BrokenProcessPool as error:
        raise ScumbleError(
            "a process of the run was killed, most likely for memory: what was made is kept; run again, fewer --jobs"
        ) from error
    except BaseException:
        own_end.close()  # they leave at once: what they are at is not waited for
        pool.shutdown(wait=True, cancel_futures=True)
        for name in {name for name, _, _ in due}:
            clear_unfinished(benchmark.results / name, {case for _, case, _ in due})
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        own_end.close()
        line.close()


_BENCH: list[tuple[Benchmark, Workshop]] = []
"""What a process of the pool works with; a pool offers no other place."""


def _set_up(
    line: Connection, folder: Path, model: str | None, pixel_model: str | None, device: str | None, jobs: int
) -> None:
    threading.Thread(target=_leave_with, args=(line,), daemon=True).start()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    _BENCH.append((open_benchmark(folder), Workshop(model, pixel_model, device)))


def _leave_with(line: Connection) -> None:
    """End this process when the other end is closed, which a process that is killed does too."""
    with contextlib.suppress(EOFError, OSError):
        line.recv_bytes()
    os._exit(1)


def _one(editor: str, case: str, mark: dict[str, Any]) -> Done:
    return one_result(*_BENCH[0], editor, case, mark)
