"""Captions: a closed grammar that says only what the picture shows."""

from __future__ import annotations

import random

from scumble_lab.world import Object, Scene, caption, captions, sample_scene, truths, vocabulary


def test_canonical_caption_says_everything() -> None:
    scene = Scene(
        (Object("cone", "orange", "metal", "small", x=1.0), Object("cube", "red", size="small", x=-0.8)),
        floor="snow",
        sky="overcast",
    )
    said = "a small red cube left of a small orange metal cone on snow under an overcast sky"
    assert caption(scene) == said


def test_left_and_right_are_true_in_the_picture() -> None:
    rng, relations = random.Random(0), 0
    for seed in range(40):
        scene = sample_scene(seed, objects=2)
        masks = truths(scene, 32).masks
        middle = {
            item.color: mask.nonzero()[:, 1].float().mean().item()
            for item, mask in zip(scene.objects, masks, strict=True)
        }
        for said in (caption(scene), captions(scene, rng)):
            words = said.split()
            first, second = (word for word in words if word in middle)
            if "left" in words:
                assert middle[first] < middle[second], said
            elif "right" in words:
                assert middle[first] > middle[second], said
            relations += "left" in words or "right" in words
    assert relations > 50


def test_every_wording_stays_in_the_vocabulary_and_every_word_is_used() -> None:
    rng, said = random.Random(1), set()
    for seed in range(600):
        said |= set(captions(sample_scene(seed), rng).split())
    said |= set(caption(Scene(())).split())
    assert said == set(vocabulary())


def test_wordings_vary_and_are_repeatable() -> None:
    scene = sample_scene(11, objects=2)
    rng = random.Random(2)
    assert len({captions(scene, rng) for _ in range(40)}) > 10
    assert captions(scene, random.Random(3)) == captions(scene, random.Random(3))


def test_articles_fit() -> None:
    rng = random.Random(4)
    for seed in range(100):
        words = captions(sample_scene(seed, color="orange", objects=1), rng).split()
        assert words[0] == ("an" if words[1] == "orange" else "a")
