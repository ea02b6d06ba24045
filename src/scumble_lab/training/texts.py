"""Sentences for training: several wordings of every scene, and sentences that are wrong in one word."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from scumble_lab.training.tokenizer import token_ids
from scumble_lab.world import COLORS, MATERIALS, SHAPES, SIZES, Scene, caption, captions

__all__ = ["OPENINGS", "SYNONYMS", "WORDINGS", "Spoiler", "reworded", "wordings"]

WORDINGS = 4

SYNONYMS: dict[str, tuple[str, ...]] = {
    "sphere": ("ball",),
    "cube": ("box",),
    "torus": ("ring", "donut"),
    "large": ("big",),
    "small": ("tiny", "little"),
    "metal": ("shiny", "metallic"),
    "purple": ("violet",),
    "wooden": ("wood",),
    "overcast": ("cloudy",),
}
"""What else people call things; said now and then in training, so that the models know it too."""

OPENINGS = ("a photo of", "a picture of", "an image of")


def reworded(text: str, rng: random.Random) -> str:
    """The sentence with a synonym here and there, and rarely an opening such as `a photo of`."""
    words = [rng.choice(SYNONYMS[word]) if word in SYNONYMS and rng.random() < 0.1 else word for word in text.split()]
    for i, word in enumerate(words[:-1]):
        if word in ("a", "an"):
            words[i] = "an" if words[i + 1][0] in "aeiou" else "a"
    opening = f"{rng.choice(OPENINGS)} " if rng.random() < 0.06 else ""
    return opening + " ".join(words)


def wordings(scenes: Sequence[Scene], tokenizer: CLIPTokenizer, seed: int) -> Tensor:
    """(N, WORDINGS, LENGTH) token ids: the canonical sentence first, then others drawn by `seed`."""
    texts: list[str] = []
    for number, scene in enumerate(scenes):
        rng = random.Random(f"{seed}/{number}")
        texts.append(caption(scene))
        texts.extend(reworded(captions(scene, rng), rng) for _ in range(WORDINGS - 1))
    return token_ids(tokenizer, texts).view(len(scenes), WORDINGS, -1)


class Spoiler:
    """Makes sentences false by one word: the hard negatives from which CLIP learns shape and material.

    Without them colours, floor and sky are enough to tell the pictures of a batch apart, and nothing
    else is learned (compare arXiv 2210.01936).
    """

    _GROUPS: tuple[tuple[float, tuple[str, ...]], ...] = (
        (3.0, SHAPES),
        (3.0, MATERIALS),
        (1.0, tuple(COLORS)),
        (2.0, tuple(SIZES)),
        (2.0, ("left", "right")),
        (1.0, ("grass", "sand", "snow", "water")),
        (1.0, ("plain", "checkered", "wooden")),
        (1.0, ("sunset", "night")),
    )

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        count, most = len(tokenizer), max(len(words) for _, words in self._GROUPS) - 1
        self.weight = torch.zeros(count)
        self.others = torch.zeros(count, most, dtype=torch.long)
        self.shape = torch.full((count,), -1)
        for weight, words in self._GROUPS:
            ids = [_token(tokenizer, word) for word in words]
            for i, word in enumerate(words):
                rest = ids[:i] + ids[i + 1 :]
                for synonym in (word, *SYNONYMS.get(word, ())):
                    token = _token(tokenizer, synonym)
                    self.weight[token] = weight
                    self.others[token] = torch.tensor((rest * most)[:most])
                    if words is SHAPES:
                        self.shape[token] = i
        self.a, self.an = _token(tokenizer, "a"), _token(tokenizer, "an")
        vowels = {word for word in tokenizer.get_vocab() if word[0] in "aeiou" and word.endswith("</w>")}
        self.vowel = torch.zeros(count, dtype=torch.bool)
        self.vowel[[number for word, number in tokenizer.get_vocab().items() if word in vowels]] = True

    def spoil(self, ids: Tensor, draw: torch.Generator) -> Tensor:
        """Token ids (B, L), on the CPU, with one word replaced by another of its kind, or two shapes exchanged."""
        rows = torch.arange(len(ids))
        weight = self.weight[ids] + 1e-9
        place = torch.multinomial(weight, 1, generator=draw)[:, 0]
        pick = torch.randint(0, self.others.shape[1], (len(ids),), generator=draw)
        spoiled = ids.clone()
        usable = self.weight[ids[rows, place]] > 0
        spoiled[rows, place] = torch.where(usable, self.others[ids[rows, place], pick], ids[rows, place])
        exchanged, possible = self._exchange_shapes(ids)
        use = possible & (torch.rand(len(ids), generator=draw) < 0.2)
        return self._with_articles(torch.where(use[:, None], exchanged, spoiled))

    def _exchange_shapes(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """`a red cube and a blue cone` to `a red cone and a blue cube`: false, since colours differ."""
        rows = torch.arange(len(ids))
        named = self.shape[ids] >= 0
        first = named.int().argmax(1)
        last = ids.shape[1] - 1 - named.flip(1).int().argmax(1)
        exchanged = ids.clone()
        exchanged[rows, first], exchanged[rows, last] = ids[rows, last], ids[rows, first]
        different = self.shape[ids[rows, first]] != self.shape[ids[rows, last]]
        return exchanged, (named.sum(1) == 2) & different

    def _with_articles(self, ids: Tensor) -> Tensor:
        """`a` or `an` as the next word wants it, so that grammar does not give the lie away."""
        article = (ids == self.a) | (ids == self.an)
        following = torch.roll(self.vowel[ids], -1, 1)
        return torch.where(article, torch.where(following, self.an, self.a), ids)


def _token(tokenizer: CLIPTokenizer, word: str) -> int:
    return int(tokenizer.get_vocab()[f"{word}</w>"])
