"""Words with a place, a weight and a sign, as a user states them; importing them loads no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_serializer, field_validator, model_validator

from scumble.errors import InputError
from scumble.file_field import FileField
from scumble.settings import Settings

if TYPE_CHECKING:
    from typing import Self

    from scumble.images import MapSource
else:
    MapSource = Any  # its types need torch; what is given is checked when it is loaded

__all__ = ["MOST_WORDS", "Words", "split_prompt"]

MOST_WORDS = 16
"""Most prompts of one image: each costs a row of the network wherever it holds."""
IN_MEMORY = "memory:"
"""What a recipe says of a map that was no file."""


class Words(Settings):
    """A prompt for a part of the image, or one that is added everywhere with a weight of either sign."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    text: str
    """Text prompt: what the image should show there."""
    map: Annotated[MapSource | None, FileField("map")] = None
    """Where it holds: file, image, array or number, white = here; or words:NAME, not:NAME. None: everywhere."""
    weight: float = Field(default=1.0, ge=-100, le=100)
    """blend, avoid: share beside the other prompts. add: scale of its guidance; a negative one removes."""
    mode: Literal["blend", "add", "avoid"] = "blend"
    """blend: in place of the main prompt. add: on top of it. avoid: in place of the negative prompt."""
    begin: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps after which it holds."""
    end: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps until which it holds."""

    def __init__(self, text: str | None = None, map: MapSource | None = None, **fields: Any) -> None:
        given = {"text": text, "map": map}
        super().__init__(**{name: value for name, value in given.items() if value is not None}, **fields)

    @property
    def is_main(self) -> bool:
        """Whether it is a plain prompt for the whole image."""
        return self.map is None and self.weight == 1 and self.mode == "blend" and (self.begin, self.end) == (0, 1)

    @field_validator("map", mode="before")
    @classmethod
    def _map(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a map is a file, an image, an array, a number from 0 to 1, words:NAME or not:NAME")
        if isinstance(value, int | float) and not (math.isfinite(value) and 0 <= value <= 1):
            raise ValueError(f"as a number, a map must be from 0 to 1, got {value:g}")
        if isinstance(value, str):
            if value.startswith(IN_MEMORY):
                raise ValueError("the map was no file: save it as one, and give its path")
            if value in ("words:", "not:"):
                raise ValueError(f"{value} needs the name of a thing: {value}cube")
        return value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.mode != "add" and self.weight < 0:
            raise ValueError(f"the weight of a blended prompt must be 0 or more, got {self.weight:g}; mode add removes")
        if self.begin >= self.end:
            raise ValueError(f"begin must be less than end, got {self.begin:g} and {self.end:g}")
        return self

    @field_serializer("map", when_used="json")
    def _plain_map(self, value: Any) -> Any:
        """A path, a number or a name as it is; of anything else the hash of its values."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, Path):
            return str(value)
        import numpy as np

        from scumble.hashing import sha256

        values = np.ascontiguousarray(np.asarray(value))
        return f"{IN_MEMORY}{sha256(f'{values.shape}{values.dtype}', values.tobytes())}"


def split_prompt(prompt: Sequence[Any]) -> tuple[str, tuple[Words, ...]]:
    """Return the main prompt of several, the first for the whole image with weight 1 (else none), and the others.

    Raises:
        ValueError: If not all of them are ``Words``, or there are too many.
    """
    if len(prompt) > MOST_WORDS:
        raise ValueError(f"at most {MOST_WORDS} prompts can share an image, got {len(prompt)}")
    if any(isinstance(one, str) for one in prompt):
        raise ValueError("a list of prompts has only Words or only text, not both: write Words('…') for each")
    words = [_words(one) for one in prompt]
    main = next((k for k, one in enumerate(words) if one.is_main), None)
    others = tuple(one for k, one in enumerate(words) if k != main)
    return "" if main is None else words[main].text, others


def _words(given: Any) -> Words:
    try:
        return given if isinstance(given, Words) else Words.model_validate(given)
    except InputError as error:
        raise ValueError(str(error)) from error  # becomes a problem of the field that they are in
