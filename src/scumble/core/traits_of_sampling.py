"""Names for how a checkpoint is sampled, as flags and records spell them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

__all__ = ["FewSteps", "Offload", "PredictionType", "OTHER_SOLVERS", "PromptSyntax", "SolverName", "Spacing"]

PredictionType = Literal["epsilon", "v_prediction", "sample"]
SolverName = Literal[
    "ddim", "euler", "euler-a", "ddpm", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "lcm", "tcd", "plms"
]  # fmt: skip
Spacing = Literal["karras", "exponential", "beta", "leading", "trailing", "linspace"]
Offload = Literal["sequential", "model"]
PromptSyntax = Literal["plain", "weighted"]
FewSteps = Literal["auto", "lcm", "tcd", "turbo", "lightning", "hyper"]
_TWICE = "asks the network twice a step, at levels between those at which maps, blends and stored noise act"
OTHER_SOLVERS: Mapping[str, str] = {
    "dpmpp_sde": f"dpmpp_sde {_TWICE}, and its two noises are parts of one path: use dpmpp_2m_sde",
    "dpmpp_2s_a": f"dpmpp_2s_a {_TWICE}: use euler-a",
    "heun": f"heun {_TWICE}: use dpmpp_2m",
    "dpm2": f"dpm2 {_TWICE}: use dpmpp_2m",
    "dpm2_a": f"dpm2_a {_TWICE}: use euler-a",
    "deis": "deis is not here: use unipc or dpmpp_2m, which are of the same order",
    "lms": "lms is not here: use plms, which is the same idea, or dpmpp_2m",
}
"""Rules that users of other software know, and why they are not here."""
