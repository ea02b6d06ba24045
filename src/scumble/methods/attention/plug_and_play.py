"""Plug-and-Play: a new prompt in the layout of an image (arXiv 2211.12572)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.core.rounding import SLACK
from scumble.errors import MethodError
from scumble.methods.attention.step_range import window_steps
from scumble.methods.cache import Key
from scumble.methods.footprint import Footprint
from scumble.methods.inversion_fields import InversionFields
from scumble.methods.official import with_presets
from scumble.methods.placed import Guided

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.inversion.inversion import Inversion
    from scumble.methods.attention.source_features import SourceFeatures
    from scumble.methods.batch import EditBatch

__all__ = ["PlugAndPlay"]


class PlugAndPlay(InversionFields, Guided):
    """Make a new image in the layout of this one, from its features and self-attention.

    Suited to other materials, styles and times of day; shapes stay, colors are free.
    """

    paper: ClassVar[str] = "Plug-and-Play Diffusion Features, arXiv 2211.12572"
    scene_wide: ClassVar[bool] = True
    needs_text: ClassVar[bool] = True
    footprint: ClassVar[Footprint] = Footprint(path=1, features=0.4)
    looks_inside: ClassVar[bool] = True

    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt. The paper uses 7.5, which oversaturates small models."""
    feature_fraction: float = Field(default=0.8, ge=0, le=1)
    """Share of the steps in which the decoder's features are those of the source: more keeps more structure."""
    attention_fraction: float = Field(default=0.5, ge=0, le=1)
    """The same for self-attention; a large share lets textures of the source through."""
    trajectory: Literal["ddim", "edit-friendly"] | None = None
    """How the image is inverted. Default: ddim, or the kind of the inversion that is given."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps. Default: 1 for edit-friendly, 0 for ddim."""
    inversion_iterations: int = Field(default=1, ge=1, le=100)
    """Fixed-point iterations per level of a ddim inversion; they stop where they no longer come closer."""
    cache: bool = True
    """Compute the source's features once for all candidates and prompts; False: in one more row of every step."""
    compat: Literal["official"] | None = None
    """official: follow the published code, which takes the source's features under the empty prompt and cuts shares of
    the steps off where floating point falls short (0.58 of 50 gives 28)."""

    def draws_nothing(self, batch: EditBatch) -> bool:
        """On a path without noise, or a given one."""
        given = batch.inversion is not None
        return self.variants == 1 and (given or self.trajectory in (None, "ddim")) and not self.compat

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, then sample with the image's features and self-attention put in."""
        inversion = self.invert(batch)
        return self.injected(batch, inversion, inversion.prompt)

    def invert(self, batch: EditBatch, **more: object) -> Inversion:
        """The inversion given or computed."""
        from scumble.methods.inversion_for import inversion_for

        kind = self.trajectory or ("ddim" if batch.inversion is None else None)
        if kind == "ddim" and self.eta:
            raise MethodError(f"a ddim trajectory has no noise (eta 0), got eta {self.eta:g}: use edit-friendly")
        fixed = {"eta": self.eta, "iterations": self.inversion_iterations, "tolerance": 0.0, **more}
        return inversion_for(batch, self.inversion_settings(kind, **fixed), shared=self.variants > 1)

    def injected(self, batch: EditBatch, inversion: Inversion, prompt: str, slack: float = SLACK) -> Tensor | None:
        """Sample the new image with the features that the network has along the inversion's path.

        Args:
            batch: The batch.
            inversion: The path.
            prompt: Prompt under which the features are taken.
            slack: Rounding that is forgiven in shares of the steps.
        """
        from scumble.methods.attention.feature_injection import FeatureInjection
        from scumble.methods.attention.injection_sites import injection_sites
        from scumble.methods.source_run import along_inversion

        source = along_inversion(batch, inversion)
        steps, first = source.steps, source.first
        if source.nothing:
            return None
        features, attention = (
            range(first, first + window_steps(share, steps - first, slack).stop)
            for share in (self.feature_fraction, self.attention_fraction)
        )
        sites, cond = injection_sites(batch.model.denoiser), batch.embed(prompt)
        cache = self._cache(batch, inversion)
        inject = FeatureInjection(sites, source.source, cond, features, attention, cache, chunk=self.chunk)
        controls = [*source.lead, self.target(batch, self.guidance_scale), inject]
        return batch.denoise(source.levels, source.solver, controls)

    def _cache(self, batch: EditBatch, inversion: Inversion) -> SourceFeatures | None:
        """One cache for all batches of the edit, unless each candidate has a path of its own."""
        from scumble.methods.attention.source_features import SourceFeatures

        if not self.cache:
            return None
        if inversion.xs.shape[1] > 1:
            return SourceFeatures()
        key: Key[SourceFeatures] = Key("source features")
        return batch.cache.get_or_make(key, SourceFeatures)
