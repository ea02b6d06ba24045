"""Fields that say how the attention of words is edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from scumble.methods.attention.step_range import Window
from scumble.methods.method import Method

if TYPE_CHECKING:
    from scumble.methods.attention.attention_edit import AttentionEdit
    from scumble.methods.attention.edit_rules import EditRules

__all__ = ["WordFields"]


class WordFields(Method):
    """Fields of Prompt-to-Prompt's attention edits (arXiv 2208.01626)."""

    mode: Literal["auto", "replace", "refine"] = "auto"
    """replace: word for word, for prompts with equally many words; refine: words may be added or removed; auto: chosen
    by the number of words."""
    cross_replace: Window = 0.8
    """Share of the steps in which words keep the cross-attention of the source (or from one share to another)."""
    self_replace: Window = 0.4
    """The same for self-attention: more keeps shapes and layout, less lets them change."""
    word_windows: dict[str, Window] = Field(default_factory=dict)
    """Words of the prompt with a share of their own in place of cross_replace; 0 frees a word from the start."""
    word_weights: dict[str, float] = Field(default_factory=dict)
    """Words of the prompt whose attention is multiplied: 3 strengthens, 0 removes, -1 reverses."""
    blend_words: tuple[str, ...] = ()
    """Words of either prompt that the edit is confined to: outside of them the source is restored."""
    keep_words: tuple[str, ...] = ()
    """Words whose area is left alone even where blend_words overlap it."""
    blend_threshold: float = Field(default=0.3, ge=0, le=1)
    """Share of the strongest attention at which a cell counts as part of blend_words."""
    blend_start: float = Field(default=0.2, ge=0, le=1)
    """Share of the steps after which the source is restored outside of blend_words."""
    self_keys: int | None = Field(default=None, ge=0)
    """Largest number of keys of the self-attention layers that are edited. Default: 256, or a sixteenth of the latent
    cells if that is more."""

    @field_validator("cross_replace", "self_replace", "word_windows")
    @classmethod
    def _inside(cls, given: Window | dict[str, Window]) -> Window | dict[str, Window]:
        for window in given.values() if isinstance(given, dict) else (given,):
            start, end = window if isinstance(window, tuple) else (0.0, window)
            if not 0 <= start <= end <= 1:
                raise ValueError(f"a window is a share of the steps or a pair of them, 0 to 1 in order, not {window}")
        return given

    def attention_edit(self, rules: EditRules | None = None) -> AttentionEdit:
        """The edit that the fields describe."""
        from scumble.methods.attention.attention_edit import AttentionEdit
        from scumble.methods.attention.edit_rules import RULES

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
            rules=rules or RULES,
        )
