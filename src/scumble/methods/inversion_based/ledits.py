"""LEDITS++: words added to an image along its edit-friendly inversion, each where it finds its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from scumble.errors import MethodError
from scumble.methods.footprint import Footprint
from scumble.methods.inversion_fields import InversionFields
from scumble.methods.official import with_presets
from scumble.methods.placed import Worded

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.inversion.inversion import Inversion
    from scumble.methods.batch import EditBatch
    from scumble.methods.inversion_based.implicit_guidance import Finder, ImplicitGuidance
    from scumble.methods.words import Words

__all__ = ["LEdits"]


class LEdits(InversionFields, Worded):
    """Add words to an image, or take them away, several at once: each acts where the model finds it, or in its map.

    The prompt is one of them; --also-words gives others their scale, negative to remove, and --at a map.
    """

    paper: ClassVar[str] = "LEDITS++, arXiv 2311.16711"
    takes_prompts: ClassVar[bool] = False
    needs_text: ClassVar[bool] = True
    looks_inside: ClassVar[bool] = True
    footprint: ClassVar[Footprint] = Footprint(path=3, each_its_own=True)

    prompt: str = ""
    """What to add, in the image's own caption with the change, or in a word. Others: --also-words, --at."""
    guidance_scale: float | None = Field(default=None, ge=0, le=100)
    """Scale of the prompt, and of words with a place. Default: 5 as published, or 2 beside a source prompt."""
    edit_threshold: float | None = Field(default=None, ge=0, le=1)
    """Share of the image that a mask leaves out. Default: each is cut where it parts best (Otsu)."""
    masks: Literal["both", "attention", "difference", "none"] | None = None
    """What says where words act: where they look, where they change something, or both. Default: both; difference
    beside a source prompt, from which it differs in one place."""
    solver: Literal["ddim", "dpmpp_2m_sde"] | None = None
    """Rule of the steps. Default: ddim; dpmpp_2m_sde is of second order, as published."""
    compat: Literal["official"] | None = None
    """official: follow diffusers' pipeline: 30 steps of 34 by skip 0.15, source guidance 3.5, threshold 0.9, masks of
    a quarter of the latent's size."""

    @with_presets
    def run(self, batch: EditBatch) -> Tensor | None:
        """Invert, then sample with the image's noise and every added prompt in its place."""
        from scumble.controls.stored_noise import StoredNoise
        from scumble.methods.inversion_for import inversion_for

        settings = self.inversion_settings("edit-friendly", solver=self.solver)
        inversion = inversion_for(batch, settings)
        if inversion.first == inversion.steps:
            return None
        keep = batch.keep_outside_map(inversion.steps, inversion.first, inversion)
        controls = [keep, StoredNoise(inversion), self.guidance(batch, inversion)]
        return batch.denoise(inversion.levels, inversion.solver(batch.model), controls)

    def guidance(self, batch: EditBatch, inversion: Inversion) -> ImplicitGuidance:
        """The image's own words as they were inverted, and every added prompt beside them."""
        from scumble.methods.inversion_based.implicit_guidance import ImplicitGuidance

        known = bool(inversion.prompt)
        scale = (
            batch.use("guidance_scale", 2.0 if known else 5.0) if self.guidance_scale is None else self.guidance_scale
        )
        base = batch.source_guidance(inversion.prompt, self.negative_prompt, inversion.guidance_scale)
        beside = base.uncond if self.negative_prompt or inversion.guidance_scale != 1 else base.cond
        added = self.added(batch, scale)
        words = batch.placed_in_cells(added)
        finder = self.finder(batch, [one.text for one, _ in added], inversion.prompt)
        return ImplicitGuidance(base.cond, beside, base.scale, words=words, finder=finder)

    def added(self, batch: EditBatch, scale: float) -> list[tuple[Words, Tensor | None]]:
        """The prompt and all other words, each with its scale and its map; without those that act nowhere."""
        from scumble.methods.words import Words

        if any(one.mode == "avoid" for one, _ in batch.placed):
            raise MethodError("ledits has no guidance to lead away by: take words away with a negative scale")
        placed = [
            (one if one.mode == "add" else one.model_copy(update={"mode": "add", "weight": one.weight * scale}), place)
            for one, place in batch.placed
        ]
        main = [(Words(self.prompt, weight=scale, mode="add"), None)] if self.prompt else []
        return [(one, place) for one, place in (*main, *placed) if one.weight and (place is None or place.any())]

    def finder(self, batch: EditBatch, texts: list[str], source_prompt: str) -> Finder | None:
        """What finds the place of each text."""
        from scumble.methods.inversion_based.attention_of_words import attention_of_new_words
        from scumble.methods.inversion_based.implicit_masks import EdgeMasks

        masks = self.masks or batch.use("masks", "difference" if source_prompt else "both")
        if masks == "none":
            return None
        looks = None if masks == "difference" else attention_of_new_words(batch, texts, source_prompt)
        return EdgeMasks(batch.picture, looks, masks != "attention", self.edit_threshold)
