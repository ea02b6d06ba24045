"""Prompt-to-Prompt: other words, the attention of the first ones (arXiv 2208.01626)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from scumble.errors import InputError, MethodError
from scumble.methods.attention.step_range import Window
from scumble.methods.attention.token_alignment import Mode
from scumble.methods.base import FromSeed
from scumble.methods.inversion_fields import InversionFields

if TYPE_CHECKING:
    from torch import Tensor

    from scumble.core.control import Control
    from scumble.methods.attention.attention_edit import AttentionEdit, PromptPair
    from scumble.methods.batch import EditBatch
    from scumble.methods.source_run import SourceRun

__all__ = ["PromptToPrompt"]


class PromptToPrompt(FromSeed, InversionFields):
    """Change words and keep the composition: attention is taken from the source while the windows are open.

    Works on pictures (inverted first) and, without one, on what the seed and the source prompt give.
    """

    paper: ClassVar[str] = "Prompt-to-Prompt, arXiv 2208.01626"
    needs_text: ClassVar[bool] = True
    image_optional: ClassVar[bool] = True

    guidance_scale: float = Field(default=5.0, ge=0, le=100)
    """Classifier-free guidance towards the prompt."""
    mode: Mode = "auto"
    """replace: word for word, same number of words; refine: words may be added or left out; auto: by their number."""
    cross_replace: Window = 0.8
    """Share of the steps that are run in which words look where the source's words look (or from share to share)."""
    self_replace: Window = 0.4
    """The same for self-attention: more keeps shapes and layout, less lets them change."""
    word_windows: dict[str, Window] = Field(default_factory=dict)
    """Words of the prompt with a share of their own in place of cross_replace: 0 sets a word free."""
    word_weights: dict[str, float] = Field(default_factory=dict)
    """Words of the prompt whose attention is multiplied: 3 strengthens, 0 takes away, -1 turns against."""
    blend_words: tuple[str, ...] = ()
    """Words, of the source's prompt or the new one, outside of which the source is put back."""
    keep_words: tuple[str, ...] = ()
    """Words whose place is left alone although blend_words look there too."""
    blend_threshold: float = Field(default=0.3, ge=0, le=1)
    """Part of the greatest attention from which on a place belongs to blend_words."""
    blend_start: float = Field(default=0.2, ge=0, le=1)
    """Share of the steps after which the source is put back outside."""
    trajectory: Literal["edit-friendly", "ddim", "seed"] | None = None
    """How a picture is inverted; seed: no picture, the source is made from the seed. By default whatever is given."""
    eta: float | None = Field(default=None, ge=0, le=1)
    """Noise of the steps; 1 for edit-friendly, else 0."""
    inversion_iterations: int = Field(default=1, ge=1, le=100)
    """Fixed-point iterations of each level of a ddim inversion."""
    self_keys: int | None = Field(default=None, ge=0)
    """Self-attention of at most so many keys is held; 256, or a sixteenth of the latent's cells where that is more."""
    compat: Literal["official"] | None = None
    """official: as published, that is words behind a swap of unequal length shifted, padding aligned by position,
    cross-attention windows counted in N + 1 steps, all windows in shares of N even where steps are skipped."""

    @field_validator("cross_replace", "self_replace", "word_windows")
    @classmethod
    def _inside(cls, given: Window | dict[str, Window]) -> Window | dict[str, Window]:
        for window in given.values() if isinstance(given, dict) else (given,):
            start, end = window if isinstance(window, tuple) else (0.0, window)
            if not 0 <= start <= end <= 1:
                raise ValueError(f"a window is a share of the steps or a pair of them, 0 to 1 in order, not {window}")
        return given

    def check(self, batch: EditBatch) -> None:
        """Find out before anything is computed whether the words are in the prompts."""
        from scumble.methods.attention.attention_swap import SwapSites

        super().check(batch)
        said = self.source_prompt if batch.inversion is None else batch.inversion.prompt
        told = self._told(batch, self._said(said), self.prompts)
        self._edit().swap(told, SwapSites((), ()), 0, 1)
        self._edit().local_blend(told, batch.model.denoiser, batch.shape, lambda ctx, i: batch.x0, 0, 1)

    def run(self, batch: EditBatch) -> Tensor | None:
        """Lead the source along, swap its attention into the edited rows, blend, and keep what the map keeps."""
        from scumble.methods.attention.attention_swap import swap_sites

        route = self._route(batch)
        if route.first == route.steps:
            return None
        every = [self.prompts[k % len(self.prompts)] for k in range(*batch.samples)]
        told = self._told(batch, route.prompt, tuple(every) if self.prompts[1:] else self.prompts)
        sites = swap_sites(batch.model.denoiser, batch.shape, 256 if self.compat else self.self_keys)
        swap = self._edit().swap(told, sites, route.first, route.steps)
        blend = self._edit().local_blend(
            told, batch.model.denoiser, batch.shape, route.source, route.first, route.steps
        )
        acting: list[Control] = [swap, blend] if blend else [swap]
        beside = route.beside(None if blend else swap.until)
        return batch.denoise(route.levels, route.solver, [*acting, *beside, self.target(batch, self.guidance_scale)])

    def _edit(self) -> AttentionEdit:
        from scumble.methods.attention.attention_edit import AttentionEdit

        return AttentionEdit(
            mode=self.mode,
            cross=self.cross_replace,
            own=self.self_replace,
            windows=self.word_windows,
            weights=self.word_weights,
            blend=self.blend_words,
            keep=self.keep_words,
            threshold=self.blend_threshold,
            blend_start=self.blend_start,
            official=self.compat == "official",
        )

    def _told(self, batch: EditBatch, source: str, targets: tuple[str, ...]) -> PromptPair:
        from scumble.methods.attention.attention_edit import PromptPair

        return PromptPair(batch.model, source, targets, batch.embed(source).text.shape[1])

    def _route(self, batch: EditBatch) -> SourceRun:
        from scumble.methods.inversion_for import inversion_for
        from scumble.methods.source_run import picture_route, seed_route

        if batch.image is None and batch.inversion is None:
            if self.trajectory not in (None, "seed"):
                raise InputError(f"trajectory {self.trajectory} needs a picture to invert; without one use seed")
            if self.change_map is not None:
                raise InputError("a change map needs a picture: generate first, then edit the result with the map")
            scale = self.guidance_scale if self.source_guidance_scale is None else self.source_guidance_scale
            said = self._said(self.source_prompt)
            return seed_route(batch, self.num_inference_steps, self.eta or 0.0, said, self.negative_prompt, scale)
        if self.trajectory == "seed":
            raise InputError(
                "trajectory seed makes its own source from the seed and takes no picture: use scumble generate"
                " (Editor.generate), or trajectory edit-friendly or ddim for a picture"
            )
        if self.trajectory == "ddim" and self.eta:
            raise MethodError(f"a ddim trajectory has no noise (eta 0), got eta {self.eta:g}: use edit-friendly")
        settings = self.inversion_settings(
            self.trajectory,
            prompt=self._said(self.source_prompt) if batch.inversion is None else self.source_prompt,
            eta=self.eta,
            iterations=self.inversion_iterations,
            tolerance=0.0,
            compat=self.compat,
        )
        return picture_route(batch, inversion_for(batch, settings, shared=self.variants > 1))

    def _said(self, source_prompt: str | None) -> str:
        """What the source shows: a prompt of its own, or the new one where only weights are changed."""
        said = self.prompts[0] if source_prompt is None and self.word_weights else source_prompt or ""
        if not said.strip():
            raise InputError(
                "prompt-to-prompt compares the new prompt with what the picture shows now: say that with"
                " --source-prompt (source_prompt=), also when inverting"
            )
        return said
