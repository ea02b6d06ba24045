"""What may act besides a method in its own run: wishes, colours, words, shifts of the bottleneck, your own energy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import ImageColor
from pydantic import BaseModel, ConfigDict, Field, field_serializer
from torch import Tensor

from scumble.controls.hspace import BottleneckShift
from scumble.core.control import Control
from scumble.energies.attention import Size
from scumble.energies.clip import ClipNearness
from scumble.energies.excite import Apart, Excite, Suppress, excite_sites
from scumble.energies.picture import Colour
from scumble.energies.protocol import Energy, Function, Guide, Place, Reads, Seen, during
from scumble.errors import InputError
from scumble.hspace.direction import joint_shift
from scumble.hspace.shipped import load_direction
from scumble.images import load_map
from scumble.methods.job import Job
from scumble.methods.shared.masked import scorer_of
from scumble.methods.shared.word_wishes import WordWishes, wished
from scumble.recipe import tensor_sha256

__all__ = ["ALSO", "Also", "CustomEnergy", "Paint", "Present", "Say", "Shift", "Wish"]


class Also(BaseModel):
    """Base: something that acts in another method's run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)

    kind: ClassVar[str] = ""
    """Name on the command line."""
    weight: float = Field(default=1.0, ge=0, le=1e6)
    """How strongly; 0 turns it off."""
    begin: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps from which on it acts."""
    end: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps to which it acts."""

    def guides(self, job: Job, prompt: str) -> list[Guide]:
        """The energies at work."""
        return []

    def controls(self, job: Job, prompt: str) -> list[Control]:
        """What acts in other ways."""
        return []


class Wish(Also):
    """Move, put, resize or turn what words name; the fields are those of self-guidance."""

    kind: ClassVar[str] = "wish"

    move: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Phrase: how far to the right and down, in shares of the picture."""
    put: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Phrase: where its centre is to be."""
    resize: dict[str, float] = Field(default_factory=dict)
    """Phrase: how many times as wide and high."""
    keep_shape: tuple[str, ...] = ()
    """Phrases that keep place and shape."""
    keep_look: tuple[str, ...] = ()
    """Phrases that keep their look."""
    source_prompt: str = ""
    """What the picture shows now; by default the prompt."""

    def guides(self, job: Job, prompt: str) -> list[Guide]:
        """As self-guidance makes them, by centre and size."""
        fields = {name: getattr(self, name) for name in ("move", "put", "resize", "keep_shape", "keep_look")}
        wishes = WordWishes(**fields, by="centre")
        made = wished(wishes, job, prompt, self.source_prompt or prompt, during(self.begin, self.end))
        # Without a picture there is no size to keep.
        free = job.image is None
        made = [g for g in made if not (free and isinstance(g.energy, Size) and g.energy.factor == 1)]
        return [Guide(g.energy, g.weight * self.weight, steps=g.steps) for g in made]


class Present(Also):
    """Words that must all appear, each in its own place (attend-and-excite), or must not."""

    kind: ClassVar[str] = "present"

    words: tuple[str, ...] = ()
    """Words that must appear."""
    absent: tuple[str, ...] = ()
    """Words that must not."""
    apart: bool = False
    """Keep the places of the words apart."""

    def guides(self, job: Job, prompt: str) -> list[Guide]:
        """Energies of attention of about 16 x 16 cells."""
        sites = excite_sites(job.model.denoiser, *job.shape[2:])
        last, steps = len(job.model.tokens(prompt)) - 1, during(self.begin, self.end)

        def columns(words: Sequence[str]) -> tuple[tuple[int, ...], ...]:
            return tuple(tuple(job.model.word_tokens(prompt, word)) for word in words)

        found: list[Energy] = []
        if self.words:
            found.append(Excite(sites, columns(self.words), last))
        if self.absent:
            found.append(Suppress(sites, columns(self.absent), last))
        if self.apart and len(self.words) > 1:
            found.append(Apart(sites, columns(self.words)))
        return [Guide(energy, self.weight, steps=steps) for energy in found]


def _per_cell(job: Job, factor: float) -> float:
    """What a mean over the whole picture is multiplied by, so that each cell moves the same at every size."""
    return factor * job.shape[2] * job.shape[3]


class Paint(Also):
    """A colour inside a mask."""

    kind: ClassVar[str] = "paint"

    colour: str
    """Such as red or #8b4513."""
    mask: Any = None
    """Where: file, picture, array; white = there. None: everywhere that may change."""
    place: Place = "eps"
    """Where in the step it acts."""

    @field_serializer("mask")
    def _recorded(self, given: Any) -> Any:
        """A file by its name, a number as it is, anything else by its hash: that is not in a recipe."""
        if given is None or isinstance(given, int | float | str | Path):
            return str(given) if isinstance(given, Path) else given
        return f"mask-{tensor_sha256(torch.as_tensor(np.asarray(given)))[:12]}.png"

    def guides(self, job: Job, prompt: str) -> list[Guide]:
        """The mean colour of the region."""
        red, green, blue = (part / 127.5 - 1 for part in ImageColor.getrgb(self.colour)[:3])
        mask = job.change if self.mask is None else load_map(self.mask, job.size)[0].to(job.model.device)
        weight = self.weight * _per_cell(job, 40.0)
        return [Guide(Colour((red, green, blue), mask), weight, self.place, during(self.begin, self.end))]


class Say(Also):
    """Words that a CLIP is to see in the picture."""

    kind: ClassVar[str] = "say"

    text: str
    """The words."""
    clip: str = "clip"
    """The CLIP: clip (bundled), a transformers folder, or a hub id."""
    copies: int = Field(default=4, ge=1, le=64)
    """Views it judges."""

    def guides(self, job: Job, prompt: str) -> list[Guide]:
        """Distance of the predicted picture to the words."""
        scorer = scorer_of(job.shared, self.clip, job.model.device)
        energy = ClipNearness(scorer, scorer.text_features([self.text]), self.copies)
        return [Guide(energy, self.weight * _per_cell(job, 8.0), steps=during(self.begin, self.end))]


class Shift(Also):
    """Trained directions of the bottleneck (Asyrp); ``weight`` is their strength's factor."""

    kind: ClassVar[str] = "shift"

    directions: tuple[str, ...]
    """Names of directions that come with the package, or files."""
    strengths: tuple[float, ...] = (1.0,)
    """How strongly each acts; one number stands for all."""
    t_edit: int | None = None
    """Timestep down to which they act; by default as trained."""

    def controls(self, job: Job, prompt: str) -> list[Control]:
        """The asymmetric step; noise is not boosted."""
        found = [load_direction(path).to(job.model.device) for path in self.directions]
        for direction, path in zip(found, self.directions, strict=True):
            direction.fits(job.model, path.rpartition("/")[2])
        strengths = self.strengths * len(found) if len(self.strengths) == 1 else self.strengths
        if len(strengths) != len(found):
            raise InputError(f"{len(found)} directions were given, and {len(strengths)} strengths: one for each")
        t_edit = self.t_edit if self.t_edit is not None else max(d.about.t_edit for d in found)
        scaled = [self.weight * s for s in strengths]

        def shift(h: Tensor, temb: Tensor | None, t: float) -> Tensor:
            trained = max(d.about.steps for d in found)
            return joint_shift(found, scaled, h, temb, t, trained)

        return [BottleneckShift(shift, t_edit)] if self.weight else []


class CustomEnergy(Also):
    """Your own energy: a function of what is seen, one value per sample. From Python only."""

    kind: ClassVar[str] = "energy"

    fn: Callable[[Seen], Tensor] = Field(exclude=True)
    """The function."""
    reads: Reads | None = Field(default=None, exclude=True)
    """What it looks at; by default the predicted picture."""
    name: str = ""
    """How errors and reports call it."""
    place: Place = "eps"
    """Where in the step it acts."""
    through_network: bool = True
    """Whether the gradient goes through the network; False is cheap and rougher."""

    def guides(self, job: Job, prompt: str) -> list[Guide]:
        """The function as an energy."""
        energy = Function(self.fn, self.reads or Reads(prediction=True), self.name)
        steps = during(self.begin, self.end)
        return [Guide(energy, self.weight, self.place, steps, self.through_network)]


ALSO: dict[str, type[Also]] = {one.kind: one for one in (Wish, Present, Paint, Say, Shift)}
"""Name on the command line -> class."""
