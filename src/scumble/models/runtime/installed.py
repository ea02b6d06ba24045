"""Find out whether OpenVINO is installed; import it without its telemetry."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from scumble.errors import InputError

__all__ = ["computes_bfloat16", "import_openvino", "installed_version"]

OLDEST = (2025, 0)
"""Oldest release known to convert diffusers' networks with free sizes."""


def installed_version() -> str | None:
    """Return the version of the installed OpenVINO, or None where it is missing or too old."""
    number = _version()
    if number is None:
        return None
    numbers = tuple(int(part) for part in number.split(".")[:2] if part.isdigit())
    return number if numbers >= OLDEST else None


def _version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("openvino")
    except PackageNotFoundError:
        return None


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which would report the import over the network.

    Raises:
        InputError: If it is not installed, or too old.
    """
    if installed_version() is None:
        least, there = ".".join(map(str, OLDEST)), _version()
        problem = "which is not installed" if there is None else f"installed is {there}"
        raise InputError(
            f"runtime openvino needs openvino {least} or newer, {problem}: pip install --upgrade 'scumble[openvino]'"
        )
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@cache
def computes_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16: elsewhere OpenVINO would only imitate it."""
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
