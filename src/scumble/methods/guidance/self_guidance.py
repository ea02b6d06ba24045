"""Diffusion Self-Guidance: move, resize and restyle the objects that words name (arXiv 2306.00986)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import InputError
from scumble.methods.guidance.beside_source import BesideSource
from scumble.methods.guidance.layout_fields import WordWishes
from scumble.methods.guidance.reference import Reference
from scumble.methods.official import with_presets

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch
    from scumble.methods.guidance.layout_rules import LayoutRules
    from scumble.methods.source_run import SourceRun

__all__ = ["SelfGuidance"]

AMPLIFIED = 400.0
"""Largest factor, for each cell, by which a gradient is brought to ``strength``: on the bundled models those of wishes
need 4 to 120, and those of rounding where all is as wished 50,000 (256 cells)."""


class SelfGuidance(WordWishes, BesideSource):
    """Move, resize, rotate or restyle the objects that words name, by their cross-attention; the rest stays.

    Edits images, or what a seed generates. Of a phrase such as "red cube" the noun counts: nouns attend to their
    object, adjectives often elsewhere.
    """

    paper: ClassVar[str] = "Diffusion Self-Guidance, arXiv 2306.00986"
    needs_text: ClassVar[bool] = True

    strength: float = Field(default=0.5, ge=0, le=4)
    """Strength of the guidance at every step, as a share of the predicted noise; 0 turns it off."""
    until: float = Field(default=0.8, ge=0, le=1)
    """Share of the steps after which the guidance is off."""
    alternate: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps after which only every second step is guided (3/16 in the paper)."""
    references: tuple[Reference, ...] = ()
    """Other images from which words take their look, color or shape."""
    compat: Literal["official"] | None = None
    """official: follow the authors' notebook: gradients are added to the noise prediction without the factor s and
    without a limit (strength is then a plain factor), centers are those of plain maps, and silhouettes are hard."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Sample the source beside the edit, measure it, and guide the edit towards the layout asked for."""
        from scumble.methods.guidance.layout_rules import LayoutRules

        return self.guided(batch, self.source(batch), LayoutRules(), cap=self.strength)

    def source(self, batch: EditBatch, **more: object) -> SourceRun:
        """The run that the edit is compared with.

        Raises:
            InputError: If there are several prompts.
        """
        if len(self.prompts) > 1:
            raise InputError(
                f"self-guidance looks for words in one prompt, got {len(self.prompts)}: run it once for each"
            )
        return super().source(batch, **more)

    def guided(
        self,
        batch: EditBatch,
        source: SourceRun,
        rules: LayoutRules,
        cap: float | None,
        scale: float = 1.0,
        by_sigma: bool = True,
    ) -> Tensor | None:
        """Sample under the layout energies.

        Args:
            batch: The batch.
            source: The run that the edit is compared with.
            rules: How words are looked up and silhouettes drawn.
            cap: Size of the shift of the predicted noise; None: that of the gradient.
            scale: Factor of the shift.
            by_sigma: Whether the shift is scaled by the level's noise.
        """
        from scumble.controls.activation_reader import ActivationReader
        from scumble.controls.energy_guidance import EnergyGuidance
        from scumble.controls.energy_sources import SourceRow
        from scumble.energies.protocol import SOURCE, ActiveDuring
        from scumble.energies.sites import site_sizes
        from scumble.methods.guidance.layout_energies import layout_energies

        if source.nothing:
            return None
        steps = ActiveDuring(0.0, self.until, self.alternate)
        sources = {SOURCE: SourceRow(batch.embed(source.prompt), source.source)}
        sources |= {f"reference{k}": r.row(batch) for k, r in enumerate(self.references)}
        guides = layout_energies(self, batch, self.prompts[0], source.prompt, steps, self.references, rules)
        if not guides:
            raise InputError("nothing is wished: say what is to move, resize, rotate, or which shape or look to keep")
        guidance = self.target(batch, self.scale(batch))
        reader = ActivationReader(site_sizes(batch.model.denoiser, batch.shape), batch.model.decode)
        most = AMPLIFIED if self.near_zero == "smooth" else inf
        energy = EnergyGuidance(
            guides, guidance.cond, reader, sources, cap=cap, exactly=True, most=most, scale=scale, by_sigma=by_sigma
        )
        beside = source.beside() if source.sampled and self.strength else source.lead
        controls = [*beside, guidance, *([energy] if self.strength else [])]
        edited = batch.denoise(source.levels, source.solver, controls)
        batch.report.say_of_each(
            energies=[
                {name: round(float(v[min(k, len(v) - 1)]), 5) for name, v in energy.values.items()}
                for k in range(batch.count)
            ]
        )
        return edited
