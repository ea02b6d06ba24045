"""Start a failed candidate over with other noise, each candidate by itself."""

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

    Attempts share nothing but their number, which is part of the noise's name: a candidate is the same whatever
    happens to the others, and the number of attempts is bounded.

    Args:
        batch: The candidates.
        attempts: Most attempts per candidate; 1: no restarts.
        run: ``run(batch, tag, watched)`` makes one candidate with the noise of that tag; where watched it may raise
            :class:`Diverged`.
    """
    results = []
    for k in range(batch.count):
        first = batch.samples[0] + k
        one = replace(batch, noise=batch.noise.select(k, k + 1), count=1, samples=(first, first + 1))
        for attempt in range(attempts):
            last = attempt + 1 == attempts
            try:
                results.append(run(one, f"restart{attempt}/" if attempt else "", not last))
            except Diverged:
                continue
            if attempt:
                outcome = "to the end, whatever its range" if last else "within the range"
                batch.notices.append(f"candidate {first + 1}: attempt {attempt + 1} of {attempts} went {outcome}")
            break
    return torch.cat(results)
