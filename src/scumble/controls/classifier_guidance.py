"""The step of classifier guidance, by energies (arXiv 2105.05233)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scumble.controls.cap import limit_norm
from scumble.controls.energy_guidance import EnergyGuidance
from scumble.core.control import RunState, Transition
from scumble.core.prediction import Prediction

__all__ = ["ClassifierGuidance"]


@dataclass
class ClassifierGuidance(EnergyGuidance):
    """The step of classifier guidance (arXiv 2105.05233): made of the shifted noise alone (``eps``, algorithm 2), or
    with its mean shifted by the variance of its noise (``mean``, algorithm 1).

    A ``cap`` limits the shift of the mean too, as a share of the noise that the step adds.
    """

    def judged(self, row: Prediction, guided: Prediction) -> Prediction:
        """Return the guided prediction itself, to the last bit."""
        return guided

    def shift_noise(self, ctx: RunState, prediction: Prediction, gradient: Tensor, x: Tensor) -> Prediction:
        """Return the prediction that the shifted noise makes at x."""
        eps = prediction.eps + limit_norm(ctx.level.s * gradient, prediction.eps, self.cap)
        return Prediction.from_eps(eps, x, ctx.level, prediction.variance)

    def shift_mean(self, move: Transition, gradient: Tensor) -> Transition:
        """Return the step with its mean moved, by no more than the cap allows."""
        noise = torch.as_tensor(move.std, dtype=move.mean.dtype, device=move.mean.device).expand_as(move.mean)
        return move.shifted(-limit_norm(noise**2 * gradient, noise, self.cap))
