"""A run whose predictions are never clipped, as in published code that ignores the checkpoint's word on it."""

from __future__ import annotations

import copy

from scumble.methods.job import Job

__all__ = ["unclipped"]


def unclipped(job: Job) -> Job:
    """The same job on the same network, without clipping."""
    job = copy.copy(job)
    job.model = copy.copy(job.model)
    job.model.clip_sample = None
    return job
