"""Where the words of a prompt look, read while the network works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from scumble.core.control import RunState
from scumble.energies.sites import SMALL_WORDS, attention_sites, site_sizes
from scumble.models.taps import Tap
from scumble.models.words import words_of

if TYPE_CHECKING:
    from scumble.methods.batch import EditBatch

__all__ = ["AttentionOfWords", "attention_of_new_words"]


@dataclass
class AttentionOfWords:
    """Reads where the words of each row look.

    Args:
        columns: Name of a row -> its tokens that are looked for.
        grids: Path of a cross-attention module -> (h, w) of its queries.
    """

    columns: Mapping[str, Sequence[int]]
    grids: Mapping[str, tuple[int, int]]
    looks: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def taps(self, ctx: RunState) -> list[Tap]:
        """A tap for each module."""

        def reader(path: str) -> Tap:
            def read(probs: Tensor) -> None:
                for row, tokens in self.columns.items():
                    if row in ctx.layout and tokens:
                        looks = probs[ctx.layout[row]][..., list(tokens)].sum(-1).mean(1)
                        self.looks.setdefault(row, {})[path] = looks.unflatten(-1, self.grids[path])[:, None]

            return Tap(path, read, "probs")

        return [reader(path) for path in self.grids]

    def of(self, row: str) -> dict[str, Tensor]:
        """Return the share of attention in every module (B, 1, h, w), averaged over heads; none for other rows."""
        return self.looks.get(row, {})


def attention_of_new_words(batch: EditBatch, texts: Sequence[str], source_prompt: str) -> AttentionOfWords:
    """Read where the words of each text look that the source prompt does not have; all of them, where it has all."""
    denoiser, columns = batch.model.denoiser, dict[str, list[int]]()
    known = {*words_of(source_prompt), *SMALL_WORDS}
    for k, text in enumerate(texts):
        words = words_of(text)
        wanted = [word for word in words if word not in known] or [w for w in words if w not in SMALL_WORDS] or words
        columns[f"words{k}"] = sorted({i for word in wanted for i in batch.model.word_tokens(text, word)})
    grids = site_sizes(denoiser, batch.shape)
    return AttentionOfWords(columns, {path: grids[path] for path in attention_sites(denoiser, batch.shape)})
