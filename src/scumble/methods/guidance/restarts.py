"""Runs that begin anew with other noise when they fail, each candidate by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from scumble.methods.batch import EditBatch
from scumble.methods.guidance.divergence_check import Diverged

__all__ = ["with_restarts"]


def with_restarts(batch: EditBatch, attempts: int, run: Callable[[EditBatch, str, bool], Tensor]) -> Tensor:
    """Run each candidate until it succeeds; the last attempt counts whatever it is.

    Nothing is kept from one attempt to the next but the number, which is part of the noise's name: so a candidate is
    the same whatever happens to the others, and there is an end.

    Args:
        job: The candidates.
        attempts: The most that one candidate gets; 1: no restarts.
        run: ``run(batch, tag, watched)`` makes one candidate with the noise of that tag; where watched it may raise
            :class:`Diverged`.
    """
    made = []
    for k in range(batch.count):
        first = batch.samples[0] + k
        one = replace(batch, noise=batch.noise.select(k, k + 1), count=1, samples=(first, first + 1))
        for attempt in range(attempts):
            last = attempt + 1 == attempts
            try:
                made.append(run(one, f"restart{attempt}/" if attempt else "", not last))
            except Diverged:
                continue
            if attempt:
                told = "to the end, whatever its range" if last else "within the range"
                batch.notices.append(f"candidate {first + 1}: attempt {attempt + 1} of {attempts} went {told}")
            break
    return torch.cat(made)
