"""What an edit will cost, counted by its own loop on a network that answers nothing. Runs in a worker."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

__all__ = ["Uncountable", "counting_model"]


class Uncountable(Exception):
    """The edit looks into the network, so that its cost depends on the picture."""


def counting_model(model: Any) -> Any:
    """Return a copy of a model whose networks are not evaluated: predictions, encodings and decodings are zeros.

    The loop around them stays the method's own, and so do its counts. Whoever reads or changes activations raises
    :class:`Uncountable`.
    """
    import torch

    from scumble.core.prediction import Prediction

    counting = copy.copy(model)

    def predict(x: Any, level: Any, cond: Any, taps: Sequence[Any] = ()) -> Any:
        if taps:
            raise Uncountable
        return Prediction.from_output(model.schedule.prediction_type, torch.zeros_like(x), x, level)

    def encode(image: Any, sample_noise: Any = None) -> Any:
        height, width = image.shape[-2:]
        return torch.zeros(len(image), model.channels, height // model.factor, width // model.factor)

    def decode(x0: Any) -> Any:
        return torch.zeros(len(x0), 3, x0.shape[-2] * model.factor, x0.shape[-1] * model.factor)

    counting.predict, counting.encode, counting.decode = predict, encode, decode
    return counting
