"""In what a picture was made, as its recipe says it, and what ``auto`` in a request means here."""

from __future__ import annotations

from collections.abc import Mapping

from scumble.records.request import Request

__all__ = ["recorded_runtime", "settled_runtime"]


def recorded_runtime(environment: Mapping[str, str], device: str | None = None) -> tuple[str | None, str | None]:
    """Return runtime and precision that made a picture, or (None, None) where they are not at hand.

    Args:
        environment: Of its recipe.
        device: Where it is to be made again; None: as chosen by itself.
    """
    from scumble.models.loading.placement import DTYPES, parse_device
    from scumble.models.runtime.installed import installed_version

    name, dtype = environment.get("runtime", "torch").split(" ")[0], environment.get("dtype", "float32")
    known = name in ("torch", "compile") or (name == "openvino" and installed_version() is not None)
    if not known or dtype not in DTYPES or parse_device(device).type != environment.get("device"):
        return None, None
    return name, dtype


def settled_runtime(request: Request, device: str) -> Request:
    """Return a request with runtime and precision by name where it said ``auto``, so that all workers take the same.

    Args:
        request: One of many: OpenVINO's conversion is paid once for all of them.
        device: Where it is made, as torch names it.

    Raises:
        InputError: If the runtime is unknown.
    """
    from scumble.models.loading.placement import parse_device, parse_dtype
    from scumble.models.runtime.choose import parse_runtime, settle, settle_precision

    spec = request.model
    if "auto" not in (spec.runtime, spec.dtype):
        return request
    place = parse_device(device)
    name = settle(parse_runtime(spec.runtime), place.type, None)
    if spec.runtime == "auto" and spec.dtype == "float16":
        name = "torch"  # OpenVINO computes in float32 or bfloat16
    dtype: str | None = spec.dtype
    if dtype == "auto":
        steps = int({**request.defaults, **request.parameters}.get("num_inference_steps") or 50)
        other = str(parse_dtype("auto", place)).removeprefix("torch.")
        dtype = settle_precision("auto", name, steps) if name == "openvino" else other
    changes = {"runtime": name, "dtype": dtype, "settled": spec.runtime == "auto" and name != "torch"}
    return request.model_copy(update={"model": spec.model_copy(update=changes)})
