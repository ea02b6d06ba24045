"""Choose a model's runtime, once and before the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from scumble.errors import InputError, nearest
from scumble.models.runtime.installed import computes_bfloat16, installed_version

if TYPE_CHECKING:
    from scumble.models.base import Model
    from scumble.models.runtime.base import Runtime

__all__ = ["PAYS_FROM", "Answering", "RuntimeName", "attach", "parse_runtime", "settle", "settle_precision"]

RuntimeName = Literal["auto", "torch", "openvino", "compile"]

PAYS_FROM = 1000
"""Network rows from which OpenVINO is faster although it has to convert first: seven seconds of conversion against
seven thousandths of a second saved per row (the bundled model on two threads; larger networks gain earlier)."""

SMOOTH_STEPS = 16
"""Steps from which the rounding of bfloat16 averages out: 50 steps end at most 3 of 255 off, 4 steps up to 92."""


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


def settle_precision(dtype: str | None, name: RuntimeName, steps: int) -> str:
    """Return what converted networks compute in: ``auto`` is bfloat16 where the processor has it and many steps follow.

    Args:
        dtype: What was asked for; None: float32.
        name: The settled runtime.
        steps: Steps of the run.
    """
    if dtype != "auto":
        return dtype or "float32"
    return "bfloat16" if name == "openvino" and steps >= SMOOTH_STEPS and computes_bfloat16() else "float32"


def attach(model: Model, name: RuntimeName, precision: str = "float32", named: bool = True) -> Runtime | None:
    """Let a runtime answer for a model's networks from now on; ``torch`` takes it away again.

    Args:
        model: The model.
        name: The runtime.
        precision: What converted networks compute in.
        named: Whether the user asked for it by name: what cannot be converted is an error then.

    Raises:
        InputError: If the runtime is not installed, or not for this device.
    """
    runtime: Runtime | None = None
    if name == "openvino":
        from scumble.models.runtime.openvino import OpenVino

        runtime = OpenVino(model, precision, named=named)
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
        dtype: What converted networks compute in: a precision, ``auto``, or None for float32.

    Raises:
        InputError: If it is not installed, or not for this device.
    """

    def __init__(self, model: Model, name: RuntimeName, dtype: str | None = None) -> None:
        self.model, self.name, self.dtype, self.many, self.named = model, name, dtype, False, name != "auto"
        self._ready: dict[tuple[RuntimeName, str], Runtime | None] = {}
        if name != "auto":
            self.settle(None, SMOOTH_STEPS)

    def forgive(self) -> None:
        """Take a runtime's name as what ``auto`` came to: PyTorch answers for a network that it cannot take."""
        self.named = False
        self._ready.clear()
        self.settle(None, SMOOTH_STEPS)

    def settle(self, rows: int | None, steps: int) -> None:
        """Put in place what answers for a run of so many planned rows (None, or ``self.many``: many) and steps."""
        name = settle(self.name, self.model.device.type, None if self.many else rows)
        if self.name == "auto" and str(self.model.dtype) != "torch.float32":
            name = "torch"  # OpenVINO converts from float32
        key = (name, settle_precision(self.dtype, name, steps))
        if key not in self._ready:
            self._ready[key] = attach(self.model, *key, named=self.named)
        runtime = self.model.runtime = self._ready[key]
        if runtime is not None:
            runtime.begin(steps)
