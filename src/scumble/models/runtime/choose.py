"""Which runtime answers for a model: settled once, before the run, and from nothing that changes between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from scumble.errors import InputError, nearest
from scumble.models.runtime.openvino import installed_version

if TYPE_CHECKING:
    from scumble.models.base import Model
    from scumble.models.runtime.base import Runtime

__all__ = ["PAYS_FROM", "Answering", "RuntimeName", "attach", "parse_runtime", "settle"]

RuntimeName = Literal["auto", "torch", "openvino", "compile"]

PAYS_FROM = 1000
"""Network rows from which OpenVINO is faster although it has to convert first: seven seconds of conversion against
seven thousandths of a second saved per row (the bundled model on two threads; larger networks gain earlier)."""


def parse_runtime(name: str | None) -> RuntimeName:
    """Return the runtime that the user named; None is torch.

    Raises:
        InputError: If there is none of that name.
    """
    names = get_args(RuntimeName)
    if name is None:
        return "torch"
    for known in names:
        if name == known:
            return known
    raise InputError(f"runtime must be one of {', '.join(names)}, got {name!r}{nearest(name, names)}")


def settle(name: RuntimeName, device: str, rows: int | None) -> RuntimeName:
    """Return what ``auto`` means: decided by installed packages, the device and the planned rows alone.

    Args:
        name: What was asked for; anything but ``auto`` is returned as it is.
        device: Type of the device: ``cpu``, ``cuda``, ``mps``.
        rows: Rows that are to be evaluated; None: many (a service, a session, a batch).
    """
    if name != "auto":
        return name
    if device == "cpu" and installed_version() is not None and (rows is None or rows >= PAYS_FROM):
        return "openvino"
    return "torch"


def attach(model: Model, name: RuntimeName, precision: str = "float32") -> Runtime | None:
    """Let a runtime answer for a model's networks from now on; ``torch`` takes it away again.

    Raises:
        InputError: If the runtime is not installed, or not for this device.
    """
    runtime: Runtime | None = None
    if name == "openvino":
        from scumble.models.runtime.openvino import OpenVino

        runtime = OpenVino(model, precision)
    elif name == "compile":
        from scumble.models.runtime.compiled import Compiled

        runtime = Compiled(model)
    model.runtime = runtime
    return runtime


class Answering:
    """What answers for a model from run to run: made once, put into its place before each.

    Args:
        model: The model.
        name: What was asked for.
        precision: What a converted network computes in; None: float32.

    Raises:
        InputError: If it is not installed, or not for this device.
    """

    def __init__(self, model: Model, name: RuntimeName, precision: str | None = None) -> None:
        self.model, self.name, self.precision = model, name, precision or "float32"
        self._made: dict[RuntimeName, Runtime | None] = {}
        if name != "auto":
            self.settle(None)

    def settle(self, rows: int | None) -> None:
        """Put in place what answers for a run of so many planned rows; None: for many."""
        name = settle(self.name, self.model.device.type, rows)
        if name not in self._made:
            self._made[name] = attach(self.model, name, self.precision)
        self.model.runtime = self._made[name]
