"""Remarks on a checkpoint's scheduler, where its levels are read but another rule makes the steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["few_step_defaults", "guidance_of", "scheduler_remarks"]

LCM_GUIDANCE = 8.5

OTHERS = {
    "DEIS": "dpmpp_2m",
    "Heun": "dpmpp_2m",
    "KDPM2Ancestral": "euler-a",
    "KDPM2": "dpmpp_2m",
    "LMS": "dpmpp_2m",
    "DPMSolverSDE": "dpmpp_2m_sde",
    "DPMSolverSinglestep": "dpmpp_2m",
    "IPNDM": "dpmpp_2m",
}
"""Schedulers whose rule is not here, and the named solver that is nearest."""


def scheduler_remarks(config: Mapping[str, Any], reads_guidance: bool = False) -> tuple[str, ...]:
    """Return one line where a scheduler's own rule is not the one that runs by default; nothing elsewhere."""
    name = str(config.get("_class_name", ""))
    if defaults := few_step_defaults(config, reads_guidance):
        scale = f"guidance {defaults['guidance_scale']:g} told to the network" if reads_guidance else "without guidance"
        return (
            f"this checkpoint is a few-step model ({name}): {defaults['num_inference_steps']} steps by"
            f" {defaults['solver']}{', ' if reads_guidance else ' '}{scale}, where nothing else is said",
        )
    if name == "EulerAncestralDiscreteScheduler":
        return (_line(name, "euler-a"),)
    if name == "DPMSolverMultistepScheduler":
        return _multistep(config, name)
    if name == "UniPCMultistepScheduler":
        return _unipc(config, name)
    for start, near in OTHERS.items():
        if name.startswith(start):
            return (f"{name} has a rule that is not here: its noise levels are read, the nearest is --solver {near}",)
    return ()


def few_step_defaults(config: Mapping[str, Any], reads_guidance: bool = False) -> dict[str, Any]:
    """Return the settings that a checkpoint with an LCM or TCD scheduler was distilled for; nothing for others.

    Args:
        config: The scheduler's.
        reads_guidance: Whether the network reads the guidance weight: then it is that of diffusers' LCM pipelines.
    """
    solver = {"LCMScheduler": "lcm", "TCDScheduler": "tcd"}.get(str(config.get("_class_name", "")))
    if solver is None:
        return {}
    return {"num_inference_steps": 4, "guidance_scale": guidance_of(reads_guidance), "solver": solver}


def guidance_of(reads_guidance: bool) -> float:
    """Return the guidance of a few-step model: none, or the weight that it is told."""
    return LCM_GUIDANCE if reads_guidance else 1.0


def _multistep(config: Mapping[str, Any], name: str) -> tuple[str, ...]:
    kind, order = str(config.get("algorithm_type") or "dpmsolver++"), int(config.get("solver_order") or 2)
    if order != 2 or config.get("solver_type") == "heun" or kind in ("dpmsolver", "sde-dpmsolver"):
        near = "dpmpp_2m_sde" if kind.startswith("sde") else "dpmpp_2m"
        return (
            f"{name} of order {order} ({kind}, {config.get('solver_type') or 'midpoint'}) has a rule that is not here:"
            f" its noise levels are read, the nearest is --solver {near}",
        )
    return (_line(name, "dpmpp_2m_sde" if kind == "sde-dpmsolver++" else "dpmpp_2m"),)


def _unipc(config: Mapping[str, Any], name: str) -> tuple[str, ...]:
    order, kind = int(config.get("solver_order") or 2), config.get("solver_type") or "bh2"
    if order == 2 and kind == "bh2" and config.get("predict_x0", True) and not config.get("disable_corrector"):
        return (_line(name, "unipc"),)
    return (
        f"{name} of order {order} ({kind}) has a rule that is not here: its noise levels are read, the nearest is"
        " --solver unipc",
    )


def _line(name: str, solver: str) -> str:
    return f"this checkpoint comes with {name}: that is --solver {solver}; ddim is the default"
