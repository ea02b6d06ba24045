"""A caption of a still-life picture, in the words that the bundled models were taught."""

from __future__ import annotations

from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.images import Source, fit, load_image, psnr, to_tensor
from scumble_lab.bench.classifier import Reading, ReadObject, load_classifier
from scumble_lab.world.captions import FLOOR_PHRASES, NOTHING, SKY_PHRASES

__all__ = ["describe", "sentence"]

APART = 0.08
"""Middles nearer than this, in picture widths, are not called left or right of each other."""
FAMILIAR = 24.0
"""PSNR in dB below which the bundled autoencoder has never seen a picture's like."""


def sentence(reading: Reading) -> str:
    """Return what a reading says: everything, objects from left to right."""
    phrases = [_noun_phrase(item) for item in reading.objects]
    well_separated = len(phrases) == 2 and reading.objects[1].x - reading.objects[0].x > APART
    link = " left of " if well_separated else " and "
    return " ".join([link.join(phrases) or NOTHING, FLOOR_PHRASES[reading.floor], SKY_PHRASES[reading.sky]])


def describe(image: Source) -> str:
    """Return the caption of a picture of the bundled world, by the bundled classifier.

    Args:
        image: File or its bytes, PIL image, or array (H, W, 3) uint8 or [0, 1].

    Raises:
        InputError: If the picture is not of that world: what it shows is then for the user to say.
    """
    rgb = load_image(image).rgb
    model = Editor.from_pretrained().model
    window = fit(*rgb.size, multiple=model.multiple, native=model.native_size)
    small = window.apply(to_tensor(rgb))
    quality = psnr(model.decode(model.encode(small)).clamp(-1, 1), small, 2)
    if quality < FAMILIAR:
        raise InputError(
            "the picture is no still life of the bundled world, and no other captioner is there: say what it shows"
            ' yourself, with --source-prompt "…"'
        )
    return sentence(load_classifier()(small)[0])


def _noun_phrase(item: ReadObject) -> str:
    words = [item.size, item.color, *([] if item.material == "matte" else [item.material]), item.shape]
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}"
