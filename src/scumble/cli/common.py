"""Flags that every method shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from scumble.cli.model_flags import ModelFlags

__all__ = ["Common"]


@Parameter(name="*")
@dataclass(frozen=True)
class Common(ModelFlags):
    """Flags that every method shares."""

    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None
    """Where the result goes (.png, .jpg, .webp or .tif; - sends a PNG to stdout)."""
    overwrite: Annotated[bool, Parameter(negative="")] = False
    """Replace files that are there, the edited picture included."""
    method: Annotated[str, Parameter(name=["--method", "-m"], show_default=False)] = ""
    """The method; scumble methods lists them."""
    seed: int | None = None
    """Candidate k has seed + k; drawn and recorded when not given."""
    also: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """What acts besides the method, as NAME {json}: wish, present, paint, say, shift; may be given several times."""
    at: Annotated[tuple[tuple[str, str], ...], Parameter(negative="")] = ()
    """MAP "TEXT": a prompt for a part of the image; MAP is a file, a number, words:NAME or not:NAME. Repeatable."""
    also_words: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """"TEXT:SCALE": words added to the prompt's guidance, such as sunset:+6; a negative scale removes. Repeatable."""
    count: int = 1
    """Number of candidates."""
    batch_size: int | None = None
    """Candidates computed at once; all up to 8 by default."""
    plan: Annotated[bool, Parameter(negative="")] = False
    """Only say what it will cost: network calls, forward and backward rows."""
    max_cost: int | None = None
    """Refuse what may take more rows of the network, forward and backward together; --plan says how many."""
    exact_batch: Annotated[bool, Parameter(negative="")] = False
    """Make every candidate by itself: then not even the last bit depends on how many are made at once."""
    threads: int | None = None
    """Processor threads; they can decide the last bit of a pixel, and are recorded."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """No progress and no remarks."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print outputs, recipes, cost and remarks as JSON."""
    metadata: bool = True
    """Write the recipe into the result."""
    map_inside: Annotated[bool, Parameter(negative="")] = False
    """Put the change map in beside the recipe, so that redo needs no file of it."""
    strip: Annotated[bool, Parameter(negative="")] = False
    """Leave out what the edited file holds besides its pixels (EXIF with GPS, XMP), but for its color profile."""

    @property
    def candidates(self) -> dict[str, Any]:
        """How many candidates are made, from which seed, and how many at once: arguments of the editor."""
        names = ("seed", "count", "batch_size", "exact_batch", "max_cost")
        return {name: getattr(self, name) for name in names}

    @property
    def planned(self) -> dict[str, Any]:
        """The same for a plan."""
        return {"count": self.count, "batch_size": 1 if self.exact_batch else self.batch_size}
