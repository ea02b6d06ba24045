"""What of a diffusers scheduler config is read here, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scumble.core.spreads import SPREADS

__all__ = ["is_flow", "readable"]

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample", "flow")
OTHER_FAMILIES = ("EDM", "KarrasVe", "ScoreSde", "VQDiffusion", "CMStochastic", "ConsistencyDecoder")
NOT_READ = (
    "thresholding",
    "use_lu_lambdas",
    "use_dynamic_shifting",
    "shift_terminal",
    "invert_sigmas",
)
DIFFERENT_VALUES = {"timestep_type": "continuous", "interpolation_type": "log_linear"}


def is_flow(config: Mapping[str, Any]) -> bool:
    """Whether it is a flow-matching scheduler's."""
    return "FlowMatch" in config.get("_class_name", "") or config.get("prediction_type") in ("flow", "flow_prediction")


def readable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody chose in a config; keys that nobody chose have the default of whatever rule is used.

    Raises:
        ValueError: If the config is of another family (EDM, …), or asks for what is not read here.
    """
    name = str(config.get("_class_name", ""))
    if name.startswith(OTHER_FAMILIES):
        raise ValueError(f"{name} is not a variance-preserving or flow-matching scheduler")
    for key in NOT_READ:
        if config.get(key):
            raise ValueError(f"{key} is not supported; remove it from the scheduler config, or use another solver's")
    for key, value in DIFFERENT_VALUES.items():
        if config.get(key) == value:
            raise ValueError(f"{key} {value!r} is not supported; remove it from the scheduler config")
    unchosen = config.get("_use_default_values", ())
    config = {key: value for key, value in config.items() if key not in unchosen}
    if is_flow(config):
        for key in SPREADS:
            if config.get(key):
                raise ValueError(f"{key} is not supported for flow matching; remove it from the config")
        return config
    kind = config.get("prediction_type", "epsilon")
    if kind not in PREDICTION_TYPES:
        raise ValueError(f"prediction_type {kind!r} is unknown; expected one of {', '.join(PREDICTION_TYPES)}")
    spacing = config.get("timestep_spacing", "leading")
    if spacing not in ("leading", "trailing", "linspace"):
        raise ValueError(f"timestep_spacing {spacing!r} is unknown; expected leading, trailing or linspace")
    return config
