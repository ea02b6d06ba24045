"""The recipe: everything that is needed to make a picture again, as plain JSON inside the picture."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from scumble.errors import InputError, first_problem
from scumble.methods.extras.parse import extra_class
from scumble.methods.method import Method
from scumble.methods.registry import method_class
from scumble.records.absent import with_absent
from scumble.records.build import build_method
from scumble.records.metadata import read_metadata
from scumble.records.view import View, WindowRecord
from scumble.settings import Settings

__all__ = ["FORMAT", "Recipe", "environment", "read_recipe", "versions"]

FORMAT = 2
"""Version of the layout. 1 was written by version 0.1 of the package; what a recipe lacks means what it did then."""

MAX_SEED = 2**63 - 1


@cache
def versions() -> dict[str, str]:
    """Versions of what decides about the numbers."""
    names = ("scumble", "torch", "diffusers", "transformers")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def environment(device: str, dtype: str, runtime: str = "torch") -> dict[str, str]:
    """What else decides about the last bit: device, precision, threads, the processor's instructions, versions."""
    import torch

    kind = torch.device(device).type
    build = torch.cuda.get_device_name(device) if kind == "cuda" else str(torch.backends.cpu.get_cpu_capability())
    about = {"device": kind, "dtype": dtype, "threads": str(torch.get_num_threads()), "processor": build}
    return {**about, **versions(), "torch": torch.__version__, "runtime": runtime}


def _named(value: dict[str, str]) -> dict[str, str]:
    if set(value) - {"name", "sha256"} or "sha256" not in value:
        raise ValueError("a file is given by name and sha256")
    if len(value.get("name", "")) > 1000 or not _is_hash(value["sha256"]):
        raise ValueError(f"{value['sha256'][:80]!r} is no SHA-256")
    return {"name": "", **value}


def _is_hash(text: str) -> bool:
    return text == "" or (len(text) == 64 and all(c in "0123456789abcdef" for c in text))


Ref = Annotated[dict[str, str], AfterValidator(_named)]
"""``name``, without a folder, and ``sha256`` of the content."""


Count = Annotated[int, Field(ge=0, le=100_000)]
Beside = tuple[Count, Count, Count]


class Recipe(Settings):
    """What made one picture. It holds hashes and names, never an absolute path."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, protected_namespaces=()
    )

    format: int = Field(default=FORMAT, ge=1, le=FORMAT)
    """Version of this layout."""
    method: str = Field(max_length=200)
    """Method name."""
    parameters: dict[str, Any]
    """Every parameter of the method, as it was given; None stands for a default."""
    used: dict[str, Any] = Field(default_factory=dict)
    """What the defaults came to: skip, guidance_scale, eta, trajectory, first step … They win over ``parameters``."""
    files: dict[str, Ref] = Field(default_factory=dict)
    """Other files that parameters or extras name, by their place (``target_image``, ``also.0.mask``)."""
    seed: int = Field(ge=0, le=MAX_SEED)
    """Seed of the first candidate; candidate k has seed + k."""
    count: int = Field(default=1, ge=1, le=1_000_000)
    """How many candidates were made."""
    batch_size: int = Field(default=1, ge=1, le=1_000_000)
    """How many were made at once (the last bits of floating point depend on it)."""
    exact_batch: bool = False
    """Whether each candidate was made by itself, whatever the batch size."""
    index: int = Field(default=0, ge=0)
    """Which candidate this picture is."""
    size: tuple[Annotated[int, Field(ge=1, le=1_000_000)], Annotated[int, Field(ge=1, le=1_000_000)]]
    """Width and height of the picture."""
    input: Ref | None = None
    """``name`` and ``sha256`` of the edited picture's pixels."""
    parent: str | None = Field(default=None, max_length=64)
    """SHA-256 of the edited picture's pixels, where that picture carries a recipe itself: edits form a chain."""
    change_map: Ref | None = None
    """``name`` (when it was a file) and ``sha256`` of the change map as strengths."""
    fade: float = Field(default=0.0, ge=0, le=1)
    """Strength below which a soft map's changes fade to nothing; 0: not at all, as in format 1."""
    inversion: Ref | None = None
    """``name`` and ``sha256`` of the inversion file."""
    view: View | None = None
    """How the picture was looked at; None: as in version 0.1."""
    windows: list[WindowRecord] = Field(default_factory=list, max_length=64)
    """The windows: ``box`` in the picture, ``scaled`` and ``size`` at the model, sigma, context and feather."""
    also: list[dict[str, Any]] = Field(default_factory=list, max_length=100)
    """What acted besides the method: its ``kind`` and fields."""
    model: Ref
    """``name`` and ``sha256`` of the denoising network's weights."""
    model_settings: dict[str, Any] = Field(default_factory=dict)
    """What was put on the model: ``lora`` (name, sha256 and weight of each), ``vae``, ``textual_inversion``,
    ``clip_skip``, ``prediction_type``, ``schedule``, ``few_steps``,
    ``prompt_syntax``, ``control``, ``control_image``, ``control_scale``. The model's ``sha256`` covers it."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Device type, dtype, threads and versions."""
    report: dict[str, Any] = Field(default_factory=dict)
    """What the method reported about this picture."""
    request: str | None = None
    """Key of the request that it was made for, where there was one: its identity with all contents."""
    group: list[Beside] = Field(default_factory=list, max_length=10_000)
    """How calls of the network were shared with other edits of a group: (calls, rows before, rows behind), equal ones
    together. Nothing: they were not."""

    @model_validator(mode="after")
    def _candidate(self) -> Recipe:
        if self.index >= self.count:
            raise ValueError(f"candidate {self.index} of {self.count} does not exist")
        return self

    def settled_parameters(self) -> dict[str, Any]:
        """The parameters with what their format left unsaid, and with what the defaults came to.

        Raises:
            InputError: If there is no such method.
        """
        fields = method_class(self.method).model_fields  # type: ignore[attr-defined]
        used = {name: value for name, value in self.used.items() if name in fields}
        return {**with_absent(self.parameters, self.format, fields), **used}

    def settled_also(self) -> list[dict[str, Any]]:
        """What acted besides the method, with what the format left unsaid.

        Raises:
            InputError: If no file can hold what acted.
        """
        return [with_absent(about, self.format, extra_class(about).model_fields) for about in self.also]

    def build(self, **more: object) -> Method:
        """Return the method object with this recipe's parameters (and ``more``, such as the change map).

        Raises:
            InputError: If a parameter does not fit this version's method.
        """
        try:
            return build_method(self.method, self.settled_parameters(), more)
        except InputError as error:
            raise InputError(f"the recipe does not fit this version's {self.method}: {error}") from error


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe of a picture, checked.

    Raises:
        InputError: If there is none, it is damaged, or it was written by a newer version.
    """
    name, about = Path(path).name, read_metadata(path)
    layout = about.get("format")
    if isinstance(layout, int) and not isinstance(layout, bool) and layout > FORMAT:
        written = about.get("environment")
        by = written.get("scumble", "") if isinstance(written, dict) else ""
        newer = f"Scumble {by}" if isinstance(by, str) and by else "a newer version of Scumble"
        raise InputError(f"the recipe in {name} has format {layout}: it needs {newer}, this one reads up to {FORMAT}")
    if "method" not in about:
        raise InputError(f"{name} carries no recipe of a single edit (method): it cannot be repeated")
    try:
        return Recipe.model_validate(about)
    except ValidationError as error:
        where, reason = first_problem(error)
        raise InputError(f"the recipe in {name} cannot be repeated: {where} {reason}".rstrip()) from error
