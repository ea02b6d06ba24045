"""Maps that a model makes from words: ``words``, ``difference``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from scumble.cli.map.canvas import Output, write

if TYPE_CHECKING:
    from scumble.editing.maps_from_words import WordMap

__all__ = ["difference", "words"]

Flag = Annotated[bool, Parameter(negative="")]


def words(
    image: Path,
    word: str,
    *,
    source_prompt: str,
    soft: Flag = False,
    threshold: float | Literal["auto"] = "auto",
    feather: int = 0,
    level: int = 200,
    model: str | None = None,
    device: str | None = None,
    output: Output,
) -> None:
    """Find where a word is in an image: one look of the network, cut at the image's own edges.

    Parameters
    ----------
    image
        The image.
    word
        A word or phrase of the caption, for example cube; not:cube is everything else.
    source_prompt
        What the whole image shows: the caption makes the map, a single word would be found everywhere.
    soft
        Keep the gray values in place of black and white.
    threshold
        Where to cut, 0 to 1; auto finds the value that parts the map best.
    feather
        Fade the edge over this many pixels, outward.
    level
        Noise level at which the network looks, 1 to 999.
    model
        Bundled name, diffusers folder, .safetensors file or hub id.
    device
        cpu, cuda or mps.
    """
    from scumble.editing.editor import Editor
    from scumble.editing.maps_from_words import word_map

    editor = Editor.from_pretrained(model, device=device)
    _write(word_map(editor.model, image, word, source_prompt, level=level), soft, threshold, feather, output)


def difference(
    image: Path,
    *,
    prompt: str,
    source_prompt: str,
    soft: Flag = False,
    threshold: float | Literal["auto"] = "auto",
    feather: int = 0,
    level: int = 300,
    noises: int = 4,
    compat: Literal["official"] | None = None,
    model: str | None = None,
    device: str | None = None,
    output: Output,
) -> None:
    """Find where two captions of an image differ (DiffEdit): give the same caption with a word changed.

    Parameters
    ----------
    image
        The image.
    prompt
        What the image should show.
    source_prompt
        What it shows.
    soft
        Keep the gray values in place of black and white.
    threshold
        Where to cut, 0 to 1; auto finds the value that parts the map best.
    feather
        Fade the edge over this many pixels, outward.
    level
        Noise level at which the captions are compared, 1 to 999.
    noises
        Draws of noise that are averaged.
    compat
        official: DiffEdit's map as published, wider than the object.
    model
        Bundled name, diffusers folder, .safetensors file or hub id.
    device
        cpu, cuda or mps.
    """
    from scumble.editing.editor import Editor
    from scumble.editing.maps_from_words import difference_map, published_difference_map

    editor = Editor.from_pretrained(model, device=device)
    if compat == "official":
        word_map = published_difference_map(editor.model, image, prompt, source_prompt)
    else:
        word_map = difference_map(editor.model, image, prompt, source_prompt, level=level, noises=noises)
    _write(word_map, soft, threshold, feather, output)


def _write(found: WordMap, soft: bool, threshold: float | str, feather: int, output: Path) -> None:
    from scumble import maps
    from scumble.errors import InputError

    if isinstance(threshold, float) and not 0 <= threshold <= 1:
        raise InputError(f"threshold must be 0 to 1 or auto, got {threshold:g}")
    cut = threshold if isinstance(threshold, float) else None
    image = found.image(soft=soft, threshold=cut)
    write(maps.blurred_mask(image, feather) if feather else image, output)
