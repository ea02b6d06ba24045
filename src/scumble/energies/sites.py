"""Attention layers that energies read, and the columns of words in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scumble.energies.words import Columns
from scumble.errors import InputError, MethodError
from scumble.models.base import Model
from scumble.models.sites import Site, sites
from scumble.models.words import words_of

__all__ = [
    "attention_sites",
    "columns_of",
    "common_columns",
    "described",
    "feature_site",
    "head_columns",
    "joined_grids",
    "site_sizes",
]

FEWEST, MOST = 8 * 8, 32 * 32
"""Cells of the maps that show objects: coarser ones are blurred, finer ones follow texture."""

SMALL_WORDS = frozenset(
    (
        "a", "an", "the", "of", "on", "in", "at", "and", "or", "with", "to", "by", "is", "are", "its",
        "from", "under", "over", "beside", "near", "behind", "left", "right",
    )
)  # fmt: skip
"""Words that look at no thing of their own."""


def site_sizes(denoiser: nn.Module, shape: Sequence[int]) -> dict[str, tuple[int, int]]:
    """Return (h, w) of the queries of each cross-attention module, in a run of shape (…, h, w)."""
    h, w = shape[-2:]
    known = sites(denoiser, "cross_attention")
    return {site.path: (math.ceil(h / site.divisor), math.ceil(w / site.divisor)) for site in known}


def attention_sites(denoiser: nn.Module, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the decoder's cross-attention modules with maps of 8 x 8 to 32 x 32 cells, in the order they run.

    Where there are none, those of the whole network whose maps are nearest to that.

    Args:
        denoiser: The network.
        shape: Of its input (B, C, h, w).

    Raises:
        MethodError: If the network has no cross-attention.
    """
    known = sites(denoiser, "cross_attention")
    if not known:
        raise MethodError("this network has no cross-attention, words have no places in it: use a text-to-image model")
    cells = {path: h * w for path, (h, w) in site_sizes(denoiser, shape).items()}
    fitting = tuple(site.path for site in known if site.place == "up" and FEWEST <= cells[site.path] <= MOST)
    if fitting:
        return fitting

    def apart(site: Site) -> float:
        return abs(math.log(cells[site.path] / 256))

    best = min(apart(site) for site in known)
    return tuple(site.path for site in known if apart(site) == best)


def joined_grids(maps: Mapping[str, Tensor]) -> Tensor:
    """Average maps (B, 1, h, w) of several layers at the finest grid, which counts twice."""
    finest = max(maps.values(), key=lambda one: one.shape[-1]).shape[-2:]
    first = next(iter(maps.values()))
    total, weights = torch.zeros(first.shape[0], 1, *finest, device=first.device), 0.0
    for one in maps.values():
        weight = 1.0 if one.shape[-2:] == finest else 0.5
        total = total + weight * F.interpolate(one.float(), finest, mode="bilinear")
        weights += weight
    return total / weights


def feature_site(denoiser: nn.Module) -> str:
    """Return the path of the last decoder block, whose output holds what things look like (arXiv 2306.00986 section 3).

    Args:
        denoiser: The network.
    """
    return sites(denoiser, "up_block")[-1].path


def columns_of(model: Model, word: str, prompt: str, source: str | None) -> Columns:
    """Return the columns of a word or phrase in the run's prompt and in the source's.

    Args:
        model: The model, for its tokenizer.
        word: A word or a phrase, as it stands in the prompts.
        prompt: The run's prompt.
        source: The source's prompt; None: the run's own.

    Raises:
        InputError: If one of them has no such word.
    """
    columns = tuple(model.word_tokens(prompt, word))
    return Columns(columns, columns if source in (None, prompt) else tuple(model.word_tokens(source or "", word)))


def head_columns(model: Model, phrase: str, prompt: str, source: str | None) -> Columns:
    """Return the columns of a phrase's noun, in the run's prompt and in the source's.

    In ``large red cube`` it is the last word that looks at the thing; ``red`` and ``large`` often look elsewhere, and
    averaged with it they pull where they look. Which of several cubes is meant the whole phrase says.

    Raises:
        InputError: If one of the prompts has no such phrase.
    """
    whole = columns_of(model, phrase, prompt, source)
    words = words_of(phrase)
    end = next((k for k, word in enumerate(words) if k and word in SMALL_WORDS), len(words))
    noun = columns_of(model, words[end - 1], prompt, source)
    columns = tuple(c for c in noun.own if c in whole.own)
    theirs = tuple(c for c in noun.source if c in whole.source)
    return Columns(columns, theirs) if columns and theirs else whole


def described(phrase: str, prompt: str) -> str:
    """Return a phrase with the describing words before it in the prompt: ``large red cube`` for ``cube``.

    They go up to a small word or the beginning; the first occurrence counts.
    """
    words, phrase_words = words_of(prompt), words_of(phrase)
    for k in range(len(words) - len(phrase_words) + 1):
        if phrase_words and words[k : k + len(phrase_words)] == phrase_words:
            first = k
            while first and words[first - 1] not in SMALL_WORDS:
                first -= 1
            return " ".join(words[first : k + len(phrase_words)])
    return phrase


def common_columns(model: Model, prompt: str, source: str, without: Sequence[str] = ()) -> Columns:
    """Return the columns of all words that both prompts have, small words and given phrases left out."""
    taken = {c for phrase in without for c in model.word_tokens(prompt, phrase)}
    shared: list[int] = []
    theirs: list[int] = []
    for word in dict.fromkeys(words_of(prompt)):
        if word in SMALL_WORDS:
            continue
        try:
            columns = columns_of(model, word, prompt, source)
        except InputError:
            continue
        pairs = list(zip(columns.own, columns.source, strict=False))
        if len(columns.own) == len(columns.source):
            shared += [a for a, _ in pairs if a not in taken]
            theirs += [b for a, b in pairs if a not in taken]
    return Columns(tuple(shared), tuple(theirs))
