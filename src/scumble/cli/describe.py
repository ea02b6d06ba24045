"""``scumble describe``, and what ``--source-prompt auto`` stands for: a caption of a picture."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scumble.cli.pipes import opened
from scumble.errors import InputError

if TYPE_CHECKING:
    from scumble.images import Picture

__all__ = ["AUTO", "caption_at", "caption_of", "describe", "with_caption"]

AUTO = "auto"
"""Value of ``--source-prompt`` that asks for a caption."""


def describe(image: str, *, model: str | None = None) -> None:
    """Say what a picture of the bundled world shows, in words for --source-prompt.

    Parameters
    ----------
    image
        The picture; - reads it from stdin.
    model
        The model that the words are for: a bundled one; others were taught other words.
    """
    print(caption_of(opened(image), model))


def caption_of(picture: Picture, model: str | None) -> str:
    """Return a caption.

    Raises:
        InputError: If the model is not a bundled one, or the picture not of its world.
    """
    import torch

    from scumble.models.loading import BUNDLED
    from scumble_lab.bench.describe import describe as described

    if model is not None and model not in BUNDLED:
        raise InputError(
            f"only pictures for the bundled models can be described, not for {model!r}: no captioner is on this"
            ' machine; say what the picture shows, with --source-prompt "…"'
        )
    with torch.no_grad():
        return described(picture)


def caption_at(path: str, model: str | None) -> str:
    """Return a caption of the picture in a file; errors as of :func:`caption_of`."""
    return caption_of(opened(path), model)


def with_caption(given: Mapping[str, Any], image: str | None, model: str | None, quiet: bool = False) -> dict[str, Any]:
    """Return flags with the caption in place of ``--source-prompt auto``, which it says.

    Raises:
        InputError: If there is no picture, or it cannot be described.
    """
    if given.get("source_prompt") != AUTO:
        return dict(given)
    if image is None:
        raise InputError("--source-prompt auto describes the picture, and none was given; an inversion has its words")
    caption = caption_of(opened(image), model)
    if not quiet:
        print(f"described as: {caption}", file=sys.stderr)
    return {**given, "source_prompt": caption}
