"""A model that is known exactly: data that are normally distributed around one point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction, coefficients
from scumble.core.schedule import Level, conditional_variance
from scumble.core.solvers import ddim_std

__all__ = ["GaussianNetwork", "edit_friendly_covariance"]


@dataclass
class GaussianNetwork:
    """The optimal denoiser for data ``N(mean, I)``: ``eps = s (x - a mean)`` for a variance-preserving level.

    Attributes:
        mean: Mean of the data, (C, h, w).
    """

    mean: Tensor
    clip_sample: float | None = None

    def predict(
        self, x: Tensor, level: Level | Sequence[Level], cond: Conditioning, taps: Sequence[Any] = ()
    ) -> Prediction:
        """Predict for ``x`` (B, C, h, w)."""
        a, s = coefficients(level, x)
        variance = a * a + s * s
        return Prediction.from_eps(s * (x - a * self.mean) / variance, x, level)


def edit_friendly_covariance(levels: Sequence[Level], i: int, lag: int = 0) -> float:
    """Covariance of ``z_i`` and ``z_{i+lag}`` of edit-friendly inversion with the optimal denoiser, at eta 1.

    With ``alpha = (a_i/a_j)^2``, ``z_i = [(1 - alpha) a_j (x0 - m) + s_j e_j - sqrt(alpha) s_i e_i] / sigma_i`` for
    independent unit normal ``x0 - m, e_i, e_j``: consecutive z share an e with opposite signs (arXiv 2304.06140
    section 3, whose eq. 5 this is with the denoiser put in).

    Args:
        levels: All levels of the run, variance preserving.
        i: Index of a step with noise that does not end at the last level.
        lag: 0 for the variance.
    """
    data, clean, noisy = zip(*(_weights(levels[k], levels[k + 1]) for k in (i, i + lag)), strict=True)
    shared = data[0] * data[1]
    if lag == 0:
        return shared + clean[0] ** 2 + noisy[0] ** 2
    return shared + (clean[0] * noisy[1] if lag == 1 else 0.0)


def _weights(noisy: Level, clean: Level) -> tuple[float, float, float]:
    std = ddim_std(noisy, clean, 1.0)
    ratio = noisy.a / clean.a
    assert conditional_variance(noisy, clean) > 0
    return (1 - ratio**2) * clean.a / std, clean.s / std, -ratio * noisy.s / std
