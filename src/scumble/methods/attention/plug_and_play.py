"""Plug-and-Play: new words in the layout of a picture (arXiv 2211.12572)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import MethodError
from scumble.inversion.settings import InversionSettings
from scumble.methods.attention.step_range import window_steps
from scumble.methods.cache import Key
from scumble.methods.inversion_fields import InversionFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.inversion.inversion import Inversion
    from scumble.methods.attention.feature_injection import SourceFeatures
    from scumble.methods.batch import EditBatch

__all__ = ["PlugAndPlay"]


class PlugAndPlay(InversionFields):
    """Make another picture in the layout of this one: its inner features and self-attention are put into the new one.

    For other materials, styles and times of day; shapes stay, colours are free.
    """

    paper: ClassVar[str] = "Plug-and-Play Diffusion Features, arXiv 2211.12572"
    needs_text: ClassVar[bool] = True

    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt; published with 7.5, which saturates small models."""
    feature_fraction: float = Field(default=0.8, ge=0, le=1)
    """Share of the steps that are run in which the decoder's feature is the picture's: more keeps more structure."""
    attention_fraction: float = Field(default=0.5, ge=0, le=1)
    """The same for self-attention; much of it lets textures of the picture through."""
    trajectory: Literal["ddim", "edit-friendly"] | None = None
    """How the picture is inverted; ddim, or as the inversion that was given."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps; 1 for edit-friendly, 0 for ddim."""
    inversion_iterations: int = Field(default=1, ge=1, le=100)
    """Fixed-point iterations of each level of a ddim inversion; they stop where they no longer come closer."""
    cache: bool = True
    """Compute the picture's features once, for all candidates and prompts; False: as one more row of every step."""
    compat: Literal["official"] | None = None
    """official: as published, that is features of the picture always under the empty prompt, and shares of the steps
    cut off where floating point falls short (0.58 of 50 gives 28)."""

    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, look at the picture's features along its path, sample the new picture with them put in."""
        from scumble.controls.stored_noise import StoredNoise
        from scumble.methods.attention.feature_injection import FeatureInjection, injection_sites
        from scumble.methods.inversion_for import inversion_for

        inversion = inversion_for(batch, self._settings(batch), shared=self.variants > 1)
        steps, first = inversion.steps, inversion.first
        if first == steps:
            return None
        official = self.compat == "official"
        inject = FeatureInjection(
            injection_sites(batch.model.denoiser),
            inversion.x_at,
            batch.embed("" if official else inversion.prompt),
            self._steps(self.feature_fraction, inversion),
            self._steps(self.attention_fraction, inversion),
            self._cache(batch, inversion),
            chunk=self.chunk,
        )
        keep_outside_map = batch.keep_outside_map(steps, first, inversion)
        noise = StoredNoise(inversion, offsets=inversion.kind != "ddim")
        guidance = self.target(batch, self.guidance_scale)
        return batch.denoise(
            inversion.levels, inversion.solver(batch.model), [keep_outside_map, noise, guidance, inject]
        )

    def _settings(self, batch: EditBatch) -> InversionSettings:
        kind = self.trajectory or ("ddim" if batch.inversion is None else None)
        if kind == "ddim" and self.eta:
            raise MethodError(f"a ddim trajectory has no noise (eta 0), got eta {self.eta:g}: use edit-friendly")
        return self.inversion_settings(kind, eta=self.eta, iterations=self.inversion_iterations, tolerance=0.0)

    def _steps(self, fraction: float, inversion: Inversion) -> range:
        slack = {"slack": 0.0} if self.compat == "official" else {}
        found = window_steps(fraction, inversion.steps - inversion.first, **slack)
        return range(inversion.first, inversion.first + found.stop)

    def _cache(self, batch: EditBatch, inversion: Inversion) -> SourceFeatures | None:
        """One cache for all batches of the edit, unless each candidate has a path of its own."""
        from scumble.methods.attention.feature_injection import SourceFeatures

        if not self.cache:
            return None
        if inversion.xs.shape[1] > 1:
            return SourceFeatures()
        return batch.cache.get_or_make(Key[SourceFeatures]("source features"), SourceFeatures)
