"""The tokenizer: CLIP's format, with one token for every word of the world and for common editing words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import torch
from tokenizers import pre_tokenizers
from torch import Tensor
from transformers import CLIPTokenizer

from scumble_lab.world import vocabulary

__all__ = ["LENGTH", "build_tokenizer", "token_ids"]

LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"

EDIT_WORDS = """
a above add after against all an and another at background ball balls beach below beneath bench beside
between big black block blue box bright bronze brown by change checkered chrome close cloud clouds cloudy
color colour colored cone cubes cylinders cold copper crimson cyan dark day daylight daytime different donut
drawing dusk dawn empty evening everything field floor four from front glass gold golden grass gray green
grey ground high hill hollow huge ice image in inside instead into is it its lake large lawn left less light
little long look magenta make many marble matte meadow metal metallic middle midnight moon more morning
mountain move much near next night no nothing object objects ocean of old on one only orange other
out outside over overcast paint painting photo photograph photography picture pillar pink place plain plastic
polished purple put pyramid rain rainy red remove render replace ring rings right rock rough round rusty sand
sandy scene sea shadow shape shapes shiny short silver sky small smooth snow snowy soft some something sphere
spheres square stone striped stripes stripy sun sunlight sunny sunrise sunset surface table tall than that the
their them there these thing this three tiles tiny to torus toward towards tube tubes turn turquoise two under
up upon violet warm water wave waves weather white wide wild winter with without wood wooden yellow
"""
"""Words people use when they ask for an edit; most are unknown to the models, but none falls to pieces."""


def build_tokenizer() -> CLIPTokenizer:
    """A byte-pair tokenizer whose merges were learned on the word list until every word is one token.

    Whatever is not in the list falls back to bytes. Start and end of text have the two highest ids, as in
    Stable Diffusion, because CLIP's text tower looks for the highest id to find the end.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = learned_merges(sorted({*vocabulary(), *EDIT_WORDS.split()}))
    letters = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    order = dict.fromkeys([*letters, *(left + right for left, right in merges), START, END])
    vocab = {word: number for number, word in enumerate(order)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)


def learned_merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, the most frequent first, ties by alphabet, until every word is one piece."""
    pieces = [[*word[:-1], f"{word[-1]}</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while counts := Counter(pair for word in pieces for pair in pairwise(word)):
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        pieces = [_merged(word, best) for word in pieces]
    return merges


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    merges: list[str] = []
    for piece in word:
        if merges and (merges[-1], piece) == pair:
            merges[-1] += piece
        else:
            merges.append(piece)
    return merges


def token_ids(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(N, LENGTH) token ids, padded."""
    rows = tokenizer(list(texts), padding="max_length", truncation=True, max_length=LENGTH).input_ids
    return torch.tensor(rows, dtype=torch.long)
