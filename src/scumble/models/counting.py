"""A model whose network answers with zeros: the same loop runs, and only its calls are counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.models.base import Model
from scumble.models.taps import Tap

__all__ = ["CountingModel"]


class CountingModel:
    """Stands in for a model to find out what an edit costs.

    Taps see zeros of the right shape (attention sees evenly everywhere); shapes are learned from one row of the real
    network, once for each set of taps. With gradients enabled what it returns depends on ``x``, at no cost.

    Args:
        model: The model.
        restless: Never answer twice the same, so that nothing that iterates comes to rest.
    """

    def __init__(self, model: Model, restless: bool = False) -> None:
        self.model, self.restless = model, restless
        self._level, self._sign, self._answers = 0.0, 1.0, 0
        self._shapes: dict[tuple[str, str], tuple[int, ...]] = {}

    def __getattr__(self, name: str) -> Any:
        """Everything that is not about evaluating networks is the model's."""
        if name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def encode(self, image: Tensor, sample_noise: Tensor | None = None) -> Tensor:
        """Return zeros (B, C, h, w) that depend on the picture."""
        height, width = (side // self.model.factor for side in image.shape[-2:])
        shape = (image.shape[0], self.model.channels, height, width)
        return torch.zeros(shape, device=self.model.device) + _nothing(image)

    def decode(self, x0: Tensor) -> Tensor:
        """Return mid-grey (B, 3, H, W) that depends on ``x0``."""
        height, width = (side * self.model.factor for side in x0.shape[-2:])
        return torch.zeros(x0.shape[0], 3, height, width, device=x0.device) + _nothing(x0)

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Tap] = ()
    ) -> Prediction:
        """Return zeros, after the taps have seen zeros."""
        unknown = [tap for tap in taps if (tap.site, tap.what) not in self._shapes]
        if unknown:
            self._learn(x, level, cond, unknown)
        for tap in taps:
            shape = self._shapes[tap.site, tap.what]
            even = 1.0 / shape[-1] if tap.what == "probs" else 0.0
            tap.fn(torch.full((x.shape[0], *shape), even, device=x.device) + _nothing(x))
        zeros = torch.full_like(x, self._value(level) if self.restless else 0.0) + _nothing(x)
        learned = str(self.model.schedule.config.get("variance_type") or "").startswith("learned")
        return Prediction(zeros, zeros, zeros if learned else None)

    def _value(self, level: Level | Sequence[Level]) -> float:
        """Within a level each answer differs from the last one by less than that did from the one before."""
        t = level.t if isinstance(level, Level) else level[0].t
        if t != self._level:
            self._level, self._sign, self._answers = t, -self._sign, 0
        self._answers += 1
        return self._sign * 0.4**self._answers

    def _learn(self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Tap]) -> None:
        def note(key: tuple[str, str]) -> Any:
            def look(value: Tensor) -> None:
                self._shapes[key] = tuple(value.shape[1:])

            return look

        first = level if isinstance(level, Level) else level[0]
        looking = [Tap(tap.site, note((tap.site, tap.what)), tap.what) for tap in taps]
        with torch.no_grad():
            self.model.predict(x[:1].detach(), first, cond.rows(0, 1), looking)


def _nothing(x: Tensor) -> Tensor:
    """0, with x's graph where it has one."""
    return x.sum() * 0 if x.requires_grad else torch.zeros((), device=x.device)
