"""A word of the caption finds its object; what it does not know is said, not painted."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.editing.editor import Editor
from scumble.editing.maps_from_words import difference_map, noun_of, published_difference_map, word_map
from scumble.editing.redo import redo
from scumble.errors import InputError, MethodError
from scumble_lab.world import caption, render, sample_scene, truths

SCENES = 10


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor.from_pretrained(device="cpu")


def scenes(count: int, seed: int = 4242) -> list[tuple[Image.Image, str, list[tuple[str, np.ndarray]]]]:
    rng = random.Random(seed)
    found = []
    for scene in (sample_scene(rng) for _ in range(count)):
        image = Image.fromarray(render([scene], 64)[0].permute(1, 2, 0).numpy().astype(np.uint8))
        shapes = [item.shape for item in scene.objects]
        masks = [
            (item.shape, truths(scene).masks[k].numpy())
            for k, item in enumerate(scene.objects)
            if shapes.count(item.shape) == 1
        ]
        found.append((image, caption(scene), masks))
    return found


def test_a_word_of_the_caption_finds_its_object(editor: Editor) -> None:
    overlaps = []
    for image, text, objects in scenes(SCENES):
        for word, truth in objects:
            inside = np.asarray(word_map(editor.model, image, word, text).image()) > 0
            overlaps.append((inside & truth).sum() / (inside | truth).sum())
    assert len(overlaps) >= SCENES - 2
    assert np.mean(overlaps) > 0.8


def test_everything_but_is_the_complement(editor: Editor) -> None:
    image, text, objects = scenes(1)[0]
    word = objects[0][0]
    one, other = (word_map(editor.model, image, name, text) for name in (word, f"not:{word}"))
    assert np.allclose(one.soft + other.soft, 1)


def test_two_captions_differ_where_the_object_is(editor: Editor) -> None:
    ours, published = [], []
    for image, text, objects in scenes(4):
        word, truth = objects[0]
        other = text.replace(word, "torus" if word != "torus" else "cube")
        for overlaps, find in ((ours, difference_map), (published, published_difference_map)):
            inside = np.asarray(find(editor.model, image, other, text).image()) > 0
            overlaps.append((inside & truth).sum() / (inside | truth).sum())
    assert np.mean(ours) > 0.6 and np.mean(ours) > np.mean(published)


def test_the_noun_of_a_phrase_is_looked_for() -> None:
    assert noun_of("a large red cube") == "cube"
    with pytest.raises(InputError, match="at least one letter"):
        noun_of("  ")


def test_a_word_that_the_caption_does_not_have_is_refused_with_the_nearest(tiny_editor: Editor) -> None:
    image = Image.new("RGB", (64, 64), "gray")
    with pytest.raises(InputError, match=r"no word 'cubes'.*cube"):
        word_map(tiny_editor.model, image, "cubes", "a red cube on sand")
    with pytest.raises(InputError, match="caption of the image is missing"):
        word_map(tiny_editor.model, image, "cube", " ")
    with pytest.raises(InputError, match="level must be 1 to 999"):
        word_map(tiny_editor.model, image, "cube", "a cube", level=0)
    with pytest.raises(InputError, match="needs two"):
        difference_map(tiny_editor.model, image, "a cube", "a  cube")


def test_a_model_without_words_says_so() -> None:
    pixel = Editor.from_pretrained("still-life-pixel", device="cpu")
    with pytest.raises(MethodError, match="takes no words"):
        word_map(pixel.model, Image.new("RGB", (64, 64)), "cube", "a cube")


def test_an_edit_by_a_word_keeps_every_other_pixel_and_is_redone_exactly(editor: Editor, tmp_path: Path) -> None:
    image, text, objects = scenes(1)[0]
    image.save(tmp_path / "in.png")
    word = objects[0][0]
    method = scumble.BlendedLatentDiffusion(prompt=text, change_map=f"words:{word}", num_inference_steps=4)
    result = editor.edit(tmp_path / "in.png", method, seed=1)
    kept = np.asarray(word_map(editor.model, image, word, text).image()) == 0
    assert 0.3 < kept.mean() < 0.99
    assert np.array_equal(np.asarray(result.image)[kept], np.asarray(image)[kept])
    assert any(f"words:{word} found on" in notice for notice in result.notices)
    result.save(tmp_path / "out.png")
    again = redo(tmp_path / "out.png", image=tmp_path / "in.png", editor=editor)
    assert again.largest == 0 and again.warnings == []
