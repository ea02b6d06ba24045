"""Extra guidance by attention: objects moved or resized, words that must appear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.energies.protocol import ActiveDuring, Energy, WeightedEnergy
from scumble.methods.extras.extra import Extra
from scumble.methods.guidance.layout_fields import WordWishes

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["AttendAndExcite", "LayoutTarget"]


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
    near_zero: Literal["smooth", "sharp"] = "smooth"
    """Slope of small differences: smooth fades to 0; sharp (recipes without this field) is that of large ones, so that
    rounding decides, and with it the number of candidates computed at once."""

    def guides(self, batch: EditBatch, prompt: str) -> list[WeightedEnergy]:
        """Those of self-guidance, by center and size."""
        from scumble.energies.attention import Size
        from scumble.methods.guidance.layout_energies import layout_energies

        fields = {name: getattr(self, name) for name in ("move", "put", "resize", "keep_shape", "keep_look")}
        wishes = WordWishes(**fields, by="centre", near_zero=self.near_zero)
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
