"""Runs that begin anew with other noise when they fail, each candidate by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from scumble.controls.range_watch import OutOfRange
from scumble.methods.job import Job

__all__ = ["with_restarts"]


def with_restarts(job: Job, attempts: int, run: Callable[[Job, str, bool], Tensor]) -> Tensor:
    """Run each candidate until it succeeds; the last attempt counts whatever it is.

    Nothing is kept from one attempt to the next but the number, which is part of the noise's name: so a candidate is
    the same whatever happens to the others, and there is an end.

    Args:
        job: The candidates.
        attempts: The most that one candidate gets; 1: no restarts.
        run: ``run(job, tag, watched)`` makes one candidate with the noise of that tag; where watched it may raise
            :class:`OutOfRange`.
    """
    made = []
    for k in range(job.batch):
        first = job.samples[0] + k
        one = replace(job, noise=job.noise.select(k, k + 1), batch=1, samples=(first, first + 1))
        for attempt in range(attempts):
            last = attempt + 1 == attempts
            try:
                made.append(run(one, f"restart{attempt}/" if attempt else "", not last))
            except OutOfRange:
                continue
            if attempt:
                told = "to the end, whatever its range" if last else "within the range"
                job.notices.append(f"candidate {first + 1}: attempt {attempt + 1} of {attempts} went {told}")
            break
    return torch.cat(made)
