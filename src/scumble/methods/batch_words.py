"""The words of a batch as guidance: embedded, negated, placed, with the control picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.guidance import Guidance
from scumble.core.guiders import RULES, Guider
from scumble.core.words import PlacedGuidance, PlacedWords
from scumble.errors import MethodError
from scumble.images import fit, latent_map
from scumble.methods.batch_picture import BatchPicture
from scumble.methods.cache import Key
from scumble.methods.joint_prompt import with_lead
from scumble.methods.words import Words
from scumble.models.control import ControlNet

__all__ = ["BatchWords"]

CONTROL: Key[Tensor] = Key("control picture")
"""The control picture in the window, as its network sees it."""


@dataclass
class BatchWords(BatchPicture):
    """A batch whose words can guide."""

    def embed(self, prompt: str, second: str | None = None) -> Conditioning:
        """One row of conditioning for a prompt, as long as the longest of the edit; words that the model cannot see are
        named in a notice. ``second``: what SDXL's second encoder reads instead."""
        cut = self.model.words_cut(prompt)
        notice = f"the prompt is longer than the model reads; not seen: {cut}"
        if cut and notice not in self.notices:
            self.notices.append(notice)
        width, height = self.size
        cond = self.text.told_sizes(self.model.embed([prompt], (height, width), self.text.pieces, second))
        cond = cond if self.model.image_prompt is None else self.model.image_prompt.silent(cond)
        return cond if self.model.control is None else self._controlled(cond, self.model.control)

    def _controlled(self, cond: Conditioning, control: ControlNet) -> Conditioning:
        """The conditioning with the control picture in the window."""
        window = self.window or fit(*self.size, multiple=self.model.multiple, native=None)
        shown = self.cache.get_or_make(CONTROL, lambda: control.shown(window).to(self.model.device))
        return replace(cond, control=shown, controller=control)

    def guidance(self, prompt: str, negative_prompt: str, scale: float) -> Guidance:
        """Classifier-free guidance towards the method's prompt, and by the words that have a place."""
        if not self.model.takes_text:
            return self.source_guidance(prompt, negative_prompt, scale)
        cond, uncond = self.embed(prompt, self.text.second), self.embed(negative_prompt, self.text.negative_second)
        cond, uncond = self.text.in_place_of(cond, negative=False), self.text.in_place_of(uncond, negative=True)
        if self.model.image_prompt is not None:
            self.heeded.add("image prompt")
            cond, uncond = self.model.image_prompt.shown(cond), self.model.image_prompt.shown(uncond, empty=True)
        if cond.guidance is not None:
            self._check_told(negative_prompt)
        plain = self.ruled(Guidance(cond, uncond, scale))
        if not self.placed:
            return plain
        leader, placed = (None, self.placed) if prompt else with_lead(self.placed, self.lead)
        if leader is not None:
            self._say_lead(leader)
            placed = [(leader, None), *placed]
        words = self.placed_in_cells(placed)
        if self.places == "latent":
            return PlacedGuidance(plain.cond, plain.uncond, plain.scale, guider=plain.guider, words=words)
        from scumble.controls.placed_attention import PlacedAttention

        return PlacedAttention(
            plain.cond, plain.uncond, plain.scale, guider=plain.guider, words=words, denoiser=self.model.denoiser
        )

    def _check_told(self, negative_prompt: str) -> None:
        """Refuse, or say, what has no meaning for a network that reads its guidance and is evaluated once a step."""
        name = self.model.name
        if self.guider in RULES:
            raise MethodError(
                f"{name} reads its guidance as an input, so there are no two predictions for the guider {self.guider}:"
                " use cfg, pag, seg or auto"
            )
        remark = f"{name} reads its guidance as an input and was trained without negative prompts: it is not used"
        if negative_prompt and remark not in self.notices:
            self.notices.append(remark)

    def _say_lead(self, leader: Words) -> None:
        remark = f"the first {100 * leader.end:.0f} % of the steps are led by all places together: {leader.text!r}"
        if remark not in self.notices:
            self.notices.append(remark)

    def ruled(self, guidance: Guidance) -> Guidance:
        """The same guidance by the rule that the method was given."""
        return guidance if self.guider == "cfg" else replace(guidance, guider=self._guider())

    def _guider(self) -> Guider:
        """The rule of guidance, made anew: it may remember a run."""
        if self.guider in RULES:
            return RULES[self.guider]()
        from scumble.controls.weak_guiders import weak_guider

        return weak_guider(self.guider, self.model.denoiser)

    def placed_in_cells(self, placed: Sequence[tuple[Words, Tensor | None]]) -> tuple[PlacedWords, ...]:
        """Words as the network is told them, each with its map at the resolution of ``x``."""
        return tuple(self._placed(*one) for one in placed)

    def _placed(self, words: Words, place: Tensor | None) -> PlacedWords:
        cells = None if place is None else latent_map(place, self.model.factor).to(self.model.device)
        cond = self.embed(words.text)
        cond = cond if self.model.image_prompt is None else self.model.image_prompt.shown(cond)
        return PlacedWords(cond, cells, words.weight, words.mode, words.begin, words.end)

    def source_guidance(self, prompt: str, negative_prompt: str, scale: float) -> Guidance:
        """Classifier-free guidance by one prompt alone, as an inversion has it; a model that takes no words is
        evaluated once a step."""
        if not self.model.takes_text:
            return Guidance(Conditioning(), Conditioning(), 1.0)
        return Guidance(self.embed(prompt), self.embed(negative_prompt), scale)
