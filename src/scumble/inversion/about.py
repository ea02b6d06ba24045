"""The header of an inversion file, read through one definition, since anybody may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from scumble.errors import CheckpointError
from scumble.inversion.settings import Kind, NoisySolver
from scumble.settings import explained

__all__ = ["ABSENT", "About", "checked"]

ABSENT: dict[int, dict[str, Any]] = {1: {"window": None}}
"""Format -> what a field that files of that format lack means: what the version that wrote them did."""

MAX_LEVELS = 100_001
Count = Annotated[int, Field(ge=0, le=MAX_LEVELS)]
Side = Annotated[int, Field(ge=0, le=1_000_000)]


class About(BaseModel):
    """The fields of an :class:`~scumble.Inversion` that are no tensors."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    kind: Kind
    levels: Annotated[list[tuple[float, float, float]], Field(min_length=1, max_length=MAX_LEVELS)]
    first: Count
    prompt: str
    guidance_scale: float
    eta: float
    rule: NoisySolver = "ddim"
    seed: int | None = None
    compat: Literal["official"] | None = None
    model: str
    model_sha256: str
    size: tuple[Side, Side] = (0, 0)
    window: dict[str, Any] | None = None
    picture_name: str = ""
    picture_sha256: str = ""
    error: Annotated[dict[str, float], Field(max_length=100)] = {}
    report: Annotated[dict[str, Any], Field(max_length=1000)] = {}
    version: str = ""
    runtime: Annotated[str, Field(max_length=100)] = ""
    precision: Annotated[str, Field(max_length=100)] = ""


NEEDED = tuple(name for name, field in About.model_fields.items() if field.is_required())


def checked(about: Any, tensors: Mapping[str, Tensor], name: str, layout: int) -> dict[str, Any]:
    """Return what a file says, checked, with what its format left unsaid.

    Args:
        about: What it says.
        tensors: Its tensors.
        name: Its name, for errors.
        layout: Its format.

    Raises:
        CheckpointError: If something is missing, unknown, of another kind, or does not fit the tensors.
    """
    if not isinstance(about, Mapping):
        raise CheckpointError(f"the inversion {name} is damaged: it does not say what it is of")
    missing = [key for key in NEEDED if key not in about] + [key for key in ("xs",) if key not in tensors]
    if missing:
        raise CheckpointError(f"the inversion {name} lacks {', '.join(missing)}; invert again")
    unknown = sorted((set(about) - set(About.model_fields)) | (set(tensors) - {"xs", "zs", "residuals", "picture"}))
    if unknown:
        raise CheckpointError(f"the inversion {name} was made by a newer version (it has {', '.join(unknown)})")
    try:
        fields = About.model_validate({**ABSENT.get(layout, {}), **about}).model_dump()
    except ValidationError as error:
        problem = explained(error, About.model_fields)
        raise CheckpointError(f"the inversion {name} is damaged: {problem}") from error
    _fit(fields, tensors, name)
    return fields


PICTURES = [("torch.uint8", 3, channels) for channels in (3, 4)]


def _fit(fields: Mapping[str, Any], tensors: Mapping[str, Tensor], name: str) -> None:
    xs, steps = tensors["xs"], len(fields["levels"]) - 1 - fields["first"]
    if xs.dim() != 5 or not xs.is_floating_point() or len(xs) != steps + 1:
        raise CheckpointError(f"the inversion {name} is damaged: {len(xs) if xs.dim() else 0} latents for its levels")
    for part in ("zs", "residuals"):
        if part in tensors and tuple(tensors[part].shape) != (steps, *xs.shape[1:]):
            raise CheckpointError(f"the inversion {name} is damaged: its {part} do not fit its levels")
    picture = tensors.get("picture")
    if picture is not None and (
        picture.dim() != 3 or picture.shape[2] not in (3, 4) or str(picture.dtype) != "torch.uint8"
    ):
        raise CheckpointError(f"the inversion {name} is damaged: what it holds as its picture is none")
    window = fields["window"]
    if window is not None and not _is_window(window):
        raise CheckpointError(f"the inversion {name} is damaged: its window {str(window)[:80]} is none")


def _is_window(window: Mapping[str, Any]) -> bool:
    lengths = {"box": 4, "scaled": 2, "size": 2}
    return type(window.get("tiles", True)) is bool and all(
        isinstance(window.get(key), list | tuple)
        and len(window[key]) == length
        and all(type(side) is int and 0 <= side <= 1_000_000 for side in window[key])
        for key, length in lengths.items()
    )
