"""Names for how a checkpoint is sampled, as flags and records spell them."""

from __future__ import annotations

from typing import Literal

__all__ = ["FewSteps", "Offload", "PredictionType", "PromptSyntax", "Spacing"]

PredictionType = Literal["epsilon", "v_prediction", "sample"]
Spacing = Literal["karras", "exponential", "beta", "leading", "trailing", "linspace"]
Offload = Literal["sequential", "model"]
PromptSyntax = Literal["plain", "weighted"]
FewSteps = Literal["auto", "lcm", "tcd", "turbo", "lightning", "hyper"]
