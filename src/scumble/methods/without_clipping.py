"""A run whose predictions are never clipped, as in published code that ignores the checkpoint's word on it."""

from __future__ import annotations

import copy

from scumble.methods.batch import EditBatch

__all__ = ["without_clipping"]


def without_clipping(batch: EditBatch) -> EditBatch:
    """The same job on the same network, without clipping."""
    batch = copy.copy(batch)
    batch.model = copy.copy(batch.model)
    batch.model.clip_sample = None
    return batch
