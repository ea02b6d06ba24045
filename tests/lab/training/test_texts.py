from __future__ import annotations

import random

import torch
from transformers import CLIPTokenizer

from scumble_lab.training.texts import SYNONYMS, Spoiler, reworded, wordings
from scumble_lab.training.tokenizer import EDIT_WORDS, LENGTH, build_tokenizer, token_ids
from scumble_lab.world import caption, captions, sample_scene, vocabulary


def test_every_word_of_the_world_and_every_edit_word_is_one_token() -> None:
    tokenizer = build_tokenizer()
    said = {*vocabulary(), *EDIT_WORDS.split(), *(other for others in SYNONYMS.values() for other in others)}
    assert [word for word in sorted(said) if len(tokenizer.tokenize(word)) != 1] == []


def test_the_tokenizer_is_the_same_every_time_and_ends_with_its_markers() -> None:
    one, two = build_tokenizer(), build_tokenizer()
    assert one.get_vocab() == two.get_vocab()
    assert (one.bos_token_id, one.eos_token_id) == (len(one) - 2, len(one) - 1)


def test_unknown_words_fall_back_to_bytes_and_come_back() -> None:
    tokenizer = build_tokenizer()
    ids = tokenizer("a zyxophonic ünïcode cube").input_ids
    assert tokenizer.unk_token_id not in ids[1:-1]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a zyxophonic ünïcode cube"


def test_no_caption_of_two_objects_is_too_long() -> None:
    tokenizer = build_tokenizer()
    longest = max(len(tokenizer(caption(sample_scene(i, objects=2))).input_ids) for i in range(50))
    assert longest <= LENGTH


def _words(tokenizer: CLIPTokenizer, ids: torch.Tensor) -> list[str]:
    return str(tokenizer.decode(ids, skip_special_tokens=True)).split()


def test_spoiled_sentences_differ_by_one_word_or_two_exchanged_shapes() -> None:
    tokenizer = build_tokenizer()
    spoiler, draw = Spoiler(tokenizer), torch.Generator().manual_seed(0)
    rng = random.Random(1)
    texts = [captions(sample_scene(i), rng) for i in range(60)]
    ids = token_ids(tokenizer, texts)
    for before, after in zip(ids, spoiler.spoil(ids, draw), strict=True):
        pairs = zip(_words(tokenizer, before), _words(tokenizer, after), strict=True)
        changed = [(a, b) for a, b in pairs if a != b and {a, b} != {"a", "an"}]
        assert len(changed) == 1 or (len(changed) == 2 and changed[0] == changed[1][::-1])


def test_wordings_begin_with_the_canonical_sentence() -> None:
    tokenizer = build_tokenizer()
    scenes = [sample_scene(i) for i in range(3)]
    ids = wordings(scenes, tokenizer, seed=1)
    assert [" ".join(_words(tokenizer, row)) for row in ids[:, 0]] == [caption(scene) for scene in scenes]


def test_rewording_keeps_articles_right() -> None:
    texts = {reworded("a large orange cube on grass", random.Random(i)) for i in range(200)}
    assert {"a big orange cube on grass", "a large orange box on grass"} <= texts
    assert not any("a orange" in text or "an large" in text for text in texts)
