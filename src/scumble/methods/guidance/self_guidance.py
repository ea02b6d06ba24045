"""Diffusion Self-Guidance: move, resize and restyle what words name, by their own attention (arXiv 2306.00986)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import InputError
from scumble.methods.guidance.beside_source import BesideSource
from scumble.methods.guidance.layout_energies import WordWishes, layout_energies
from scumble.methods.guidance.reference import Reference

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.methods.batch import EditBatch

__all__ = ["SelfGuidance"]


class SelfGuidance(WordWishes, BesideSource):
    """Say what is to happen to the things that words name; the rest is asked to stay as it was.

    Works on pictures and, without one, on what the seed gives. Of a phrase such as "red cube" the noun counts: nouns
    look at their thing, adjectives often elsewhere.
    """

    paper: ClassVar[str] = "Diffusion Self-Guidance, arXiv 2306.00986"
    needs_text: ClassVar[bool] = True

    strength: float = Field(default=0.5, ge=0, le=4)
    """How strongly the wishes pull at every step, as a share of the predicted noise; 0 turns them off."""
    until: float = Field(default=0.8, ge=0, le=1)
    """Share of the steps after which the wishes rest."""
    alternate: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps from which on every second step is guided only (3/16 in the paper)."""
    references: tuple[Reference, ...] = ()
    """Other pictures from which words take their look, colour or shape."""
    compat: Literal["official"] | None = None
    """official: the authors' notebook, that is gradients added to the noise prediction without the factor s and
    without a limit (strength is then the plain factor), centres of plain maps, the source's silhouette hard."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Lead the source along, measure it, and push the run to what is wished."""
        from scumble.controls.activation_reader import ActivationReader
        from scumble.controls.energy_guidance import EnergyGuidance, SourceRow
        from scumble.energies.protocol import SOURCE, ActiveDuring
        from scumble.energies.sites import site_sizes

        if len(self.prompts) > 1:
            raise InputError(
                f"self-guidance looks for words in one prompt, got {len(self.prompts)}: run it once for each"
            )
        published = {"inversion_start": "same"} if self.compat else {}
        source = self.source(batch, **published)
        if source.nothing:
            return None
        official = self.compat == "official"
        steps = ActiveDuring(0.0, self.until, self.alternate)
        sources = {SOURCE: SourceRow(batch.embed(source.prompt), source.source)}
        sources |= {f"reference{k}": r.row(batch) for k, r in enumerate(self.references)}
        guides = layout_energies(self, batch, self.prompts[0], source.prompt, steps, official, self.references)
        if not guides:
            raise InputError("nothing is wished: say what is to move, resize, rotate, or which shape or look to keep")
        guidance = self.target(batch, self.scale(batch))
        energy = EnergyGuidance(
            guides,
            guidance.cond,
            ActivationReader(site_sizes(batch.model.denoiser, batch.shape), batch.model.decode),
            sources,
            cap=None if official else self.strength,
            exactly=True,
            scale=self.strength if official else 1.0,
            by_sigma=not official,
        )
        beside = source.beside() if source.sampled and self.strength else source.lead
        controls = [*beside, guidance, *([energy] if self.strength else [])]
        made = batch.denoise(source.levels, source.solver, controls)
        batch.report.say_of_each(
            energies=[
                {name: round(float(v[min(k, len(v) - 1)]), 5) for name, v in energy.values.items()}
                for k in range(batch.count)
            ]
        )
        return made
