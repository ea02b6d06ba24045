"""Which requests may share calls of the network: of one model, method and size, with a method that never looks inside.

Nothing here needs torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from scumble.errors import InputError
from scumble.methods.registry import method_class
from scumble.records.request import canonical
from scumble.work.entry import Row

__all__ = ["kinds_of"]

ITSELF = {
    "inside": "{method} looks inside the network",
    "also": "something acts besides the method",
    "count": "candidates of one request share calls anyway",
    "attention": "prompts are placed by attention",
    "runtime": "another runtime answers, or add-ons are on the model",
}


def kinds_of(rows: Sequence[Row]) -> tuple[dict[int, str], list[str]]:
    """Return of each request that may be made with others which ones those are, and a remark about the rest.

    Args:
        rows: The requests.

    Returns:
        Number -> what is equal for all that may be made together; and why the others are made one by one.
    """
    kinds: dict[int, str] = {}
    alone: Counter[str] = Counter()
    for row in rows:
        why = _why_alone(row.body)
        if why is None:
            kinds[row.number] = canonical(_kind(row.body))
        else:
            alone[why] += 1
    return kinds, [f"{count} of {len(rows)} requests are made one by one: {why}" for why, count in alone.most_common()]


def _why_alone(body: Mapping[str, Any]) -> str | None:
    method, model, parameters = str(body["method"]), body.get("model") or {}, body.get("parameters") or {}
    several = int(body.get("count") or 1) > 1 or _variants(parameters) > 1
    asked = {
        "inside": bool(getattr(method_class(method), "looks_inside", False)),
        "also": bool(body.get("also")),
        "count": several or int(body.get("batch_size") or 1) > 1,
        "attention": parameters.get("places") == "attention",
        "runtime": model.get("runtime") not in (None, "torch")
        or any(model.get(name) for name in ("adapters", "control", "ip_adapter")),
    }
    return next((ITSELF[name].format(method=method) for name, true in asked.items() if true), None)


def _variants(parameters: Mapping[str, Any]) -> int:
    prompt = parameters.get("prompt")
    return len(prompt) if isinstance(prompt, list | tuple) else 1


def _kind(body: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal: the rest may differ, also the number of steps (who has fewer is done earlier)."""
    parameters, image = body.get("parameters") or {}, body.get("image") or {}
    size = [parameters.get("width"), parameters.get("height")]
    if image.get("path"):
        size = list(_size(str(image["path"])))
    return {"method": body["method"], "model": body.get("model"), "view": body.get("view"), "size": size}


def _size(path: str) -> tuple[int, int]:
    try:
        with Image.open(path) as header:  # the pixels are not read
            return header.size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
