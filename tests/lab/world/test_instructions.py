"""Instructions say what was done, in words that the tokenizer knows whole, and can be turned round."""

from __future__ import annotations

import random

from scumble_lab.training.tokenizer import LENGTH, build_tokenizer
from scumble_lab.world import Scene, caption, sample_scene
from scumble_lab.world.instructions import INSTRUCTED, sample_instruction, undoing


def drawn(count: int = 300) -> list[tuple[Scene, str, Scene, tuple[str, ...], tuple[str, ...]]]:
    found = []
    for number in range(count):
        rng = random.Random(number)
        scene = sample_scene(rng)
        kind, after, texts = sample_instruction(scene, rng, 5)
        found.append((scene, kind, after, texts, undoing(scene, after, kind, rng, 3)))
    return found


def test_every_kind_is_asked_for_in_several_wordings_of_whole_words() -> None:
    tokenizer, kinds = build_tokenizer(), dict[str, set[str]]()
    for _, kind, _, texts, back in drawn():
        kinds.setdefault(kind, set()).update(texts)
        for text in (*texts, *back):
            words = text.replace(",", " ,").split()
            assert len(tokenizer(text).input_ids) == len(words) + 2 <= LENGTH
    assert set(kinds) == set(INSTRUCTED)
    assert min(len(texts) for texts in kinds.values()) > 8


def test_the_new_value_is_named_there_and_the_old_one_back() -> None:
    for before, kind, after, texts, back in drawn():
        if kind == "recolour":
            (old, new) = next((a, b) for a, b in zip(before.objects, after.objects, strict=True) if a != b)
            assert all(new.color in text for text in texts)
            assert all(old.color in text.rsplit(" to ", 1)[-1].rsplit(" ", 1)[-1] for text in back)
        if kind == "remove":
            gone = next(item for item in before.objects if item not in after.objects)
            assert all(gone.shape in text and gone.color in text for text in back)
        assert caption(before) != caption(after) or kind == "move"


def test_one_seed_is_one_instruction() -> None:
    assert drawn(20) == drawn(20)
