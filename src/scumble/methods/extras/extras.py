"""Extra guidance on top of a method: layout, attention, color, CLIP, bottleneck shifts, your own energy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from PIL import ImageColor
from pydantic import ConfigDict, Field, field_serializer

from scumble.energies.protocol import ActiveDuring, Energy, Function, Needs, Observation, Place, WeightedEnergy
from scumble.errors import InputError
from scumble.file_field import FileField
from scumble.hashing import tensor_sha256
from scumble.methods.guidance.layout_fields import WordWishes
from scumble.methods.inpainting.fields import scorer_of
from scumble.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.methods.batch import EditBatch

    EnergyFunction = Callable[[Observation], Tensor]
else:
    EnergyFunction = Callable[..., Any]  # pydantic evaluates it, and a tensor needs torch

__all__ = [
    "ALSO",
    "Extra",
    "CustomEnergy",
    "ColorTarget",
    "AttendAndExcite",
    "ClipTarget",
    "AsyrpShift",
    "LayoutTarget",
]


class Extra(Settings):
    """Base: guidance that acts in another method's run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)

    kind: ClassVar[str] = ""
    """Name on the command line."""
    weight: float = Field(default=1.0, ge=0, le=1e6)
    """Weight; 0 turns it off."""
    begin: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps after which it acts."""
    end: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps up to which it acts."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """The weighted energies."""
        return []

    def controls(self, batch: EditBatch, prompt: str) -> list[Control]:
        """Further controls."""
        return []


class LayoutTarget(Extra):
    """Move, place or resize the objects that words name; the fields are those of self-guidance."""

    kind: ClassVar[str] = "wish"

    move: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Phrase: how far to move right and down, as shares of the image."""
    put: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Phrase: where its center goes."""
    resize: dict[str, float] = Field(default_factory=dict)
    """Phrase: factor on its width and height."""
    keep_shape: tuple[str, ...] = ()
    """Phrases that keep their place and shape."""
    keep_look: tuple[str, ...] = ()
    """Phrases that keep their look."""
    source_prompt: str = ""
    """What the image shows now. Default: the prompt."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """Those of self-guidance, by center and size."""
        from scumble.energies.attention import Size
        from scumble.methods.guidance.layout_energies import layout_energies

        fields = {name: getattr(self, name) for name in ("move", "put", "resize", "keep_shape", "keep_look")}
        wishes = WordWishes(**fields, by="centre", near_zero="sharp")
        acting = ActiveDuring(self.begin, self.end)
        guides = layout_energies(wishes, batch, prompt, self.source_prompt or prompt, acting)
        # Without an image there is no size to keep.
        free = batch.image is None
        guides = [g for g in guides if not (free and isinstance(g.energy, Size) and g.energy.factor == 1)]
        return [WeightedEnergy(g.energy, g.weight * self.weight, steps=g.steps) for g in guides]


class AttendAndExcite(Extra):
    """Words that must all appear, or must not (attend-and-excite, arXiv 2301.13826)."""

    kind: ClassVar[str] = "present"

    words: tuple[str, ...] = ()
    """Words that must appear."""
    absent: tuple[str, ...] = ()
    """Words that must not appear."""
    apart: bool = False
    """Keep the objects of the words from overlapping."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """Energies on attention maps of about 16 x 16 cells."""
        from scumble.energies.excite import Apart, Excite, Suppress, excite_sites

        sites = excite_sites(batch.model.denoiser, *batch.shape[2:])
        last, steps = len(batch.model.tokens(prompt)) - 1, ActiveDuring(self.begin, self.end)

        def columns(words: Sequence[str]) -> tuple[tuple[int, ...], ...]:
            return tuple(tuple(batch.model.word_tokens(prompt, word)) for word in words)

        energies: list[Energy] = []
        if self.words:
            energies.append(Excite(sites, columns(self.words), last))
        if self.absent:
            energies.append(Suppress(sites, columns(self.absent), last))
        if self.apart and len(self.words) > 1:
            energies.append(Apart(sites, columns(self.words)))
        return [WeightedEnergy(energy, self.weight, steps=steps) for energy in energies]


def _per_cell(batch: EditBatch, factor: float) -> float:
    """Factor on a mean over the image, so that each cell moves by the same amount at every size."""
    return factor * batch.shape[2] * batch.shape[3]


class ColorTarget(Extra):
    """A color inside a mask."""

    kind: ClassVar[str] = "paint"

    colour: str
    """A name or hex code, such as red or #8b4513."""
    mask: Annotated[Any, FileField("map")] = None
    """Region: a file, image or array; white = inside. None: wherever the image may change."""
    place: Place = "eps"
    """Part of the step that it acts on."""

    @field_serializer("mask")
    def _recorded(self, given: Any) -> Any:
        """A file by its name, a number as it is, anything else by its hash: that is not in a recipe."""
        import torch

        if given is None or isinstance(given, int | float | str | Path):
            return str(given) if isinstance(given, Path) else given
        return f"mask-{tensor_sha256(torch.as_tensor(np.asarray(given)))[:12]}.png"

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """The mean color of the region."""
        from scumble.energies.picture import Colour
        from scumble.images import load_map

        red, green, blue = (part / 127.5 - 1 for part in ImageColor.getrgb(self.colour)[:3])
        mask = batch.change if self.mask is None else load_map(self.mask, batch.size)[0].to(batch.model.device)
        weight = self.weight * _per_cell(batch, 40.0)
        return [
            WeightedEnergy(Colour((red, green, blue), mask), weight, self.place, ActiveDuring(self.begin, self.end))
        ]


class ClipTarget(Extra):
    """Text that CLIP should see in the image."""

    kind: ClassVar[str] = "say"

    text: str
    """The text."""
    clip: Annotated[str, FileField("model")] = "clip"
    """CLIP: clip (bundled), a transformers folder, or a hub id."""
    copies: int = Field(default=4, ge=1, le=64)
    """Number of views that CLIP sees."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """Distance of the predicted image to the text."""
        from scumble.energies.clip import ClipNearness

        scorer = scorer_of(batch.cache, self.clip, batch.model.device)
        energy = ClipNearness(scorer, scorer.text_features([self.text]), self.copies)
        return [WeightedEnergy(energy, self.weight * _per_cell(batch, 8.0), steps=ActiveDuring(self.begin, self.end))]


class AsyrpShift(Extra):
    """Trained directions of the bottleneck (Asyrp); ``weight`` multiplies their strengths."""

    kind: ClassVar[str] = "shift"

    directions: Annotated[tuple[str, ...], FileField("direction")]
    """Names of bundled directions, or files of trained ones."""
    strengths: tuple[float, ...] = (1.0,)
    """Strength of each direction; one number applies to all."""
    t_edit: int | None = None
    """Lowest timestep at which they act. Default: as in training."""

    def controls(self, batch: EditBatch, prompt: str) -> list[Control]:
        """The asymmetric step; noise is not boosted."""
        from scumble.controls.asymmetric_step import AsymmetricStep
        from scumble.methods.asyrp.bundled import load_direction
        from scumble.methods.asyrp.direction import joint_shift

        directions = [load_direction(path).to(batch.model.device) for path in self.directions]
        for direction, path in zip(directions, self.directions, strict=True):
            direction.fits(batch.model, path.rpartition("/")[2])
        strengths = self.strengths * len(directions) if len(self.strengths) == 1 else self.strengths
        if len(strengths) != len(directions):
            raise InputError(f"{len(directions)} directions were given, and {len(strengths)} strengths: one for each")
        t_edit = self.t_edit if self.t_edit is not None else max(d.about.t_edit for d in directions)
        scaled = [self.weight * s for s in strengths]

        def shift(h: Tensor, temb: Tensor | None, t: float) -> Tensor:
            trained = max(d.about.steps for d in directions)
            return joint_shift(directions, scaled, h, temb, t, trained)

        return [AsymmetricStep(shift, t_edit)] if self.weight else []


class CustomEnergy(Extra):
    """Your own energy: a function of the observation, one value per sample. From Python only."""

    kind: ClassVar[str] = "energy"

    fn: EnergyFunction = Field(exclude=True)
    """The function."""
    reads: Needs | None = Field(default=None, exclude=True)
    """What the function needs. Default: the predicted image."""
    name: str = ""
    """Name in errors and reports."""
    place: Place = "eps"
    """Part of the step that it acts on."""
    through_network: bool = True
    """Whether the gradient goes through the network; False is cheaper and less accurate."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """The function as an energy."""
        energy = Function(self.fn, self.reads or Needs(prediction=True), self.name)
        steps = ActiveDuring(self.begin, self.end)
        return [WeightedEnergy(energy, self.weight, self.place, steps, self.through_network)]


ALSO: dict[str, type[Extra]] = {
    one.kind: one for one in (LayoutTarget, AttendAndExcite, ColorTarget, ClipTarget, AsyrpShift)
}
"""Name on the command line -> class."""
