"""Maps from pictures: a file, its brightness, its depth, or the things in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from scumble.errors import CheckpointError, InputError, nearest
from scumble.maps.canvas import Size, to_grey

if TYPE_CHECKING:
    from scumble.images import Channel, Polarity, Source

__all__ = ["depth", "from_file", "luminance", "segmentation"]

Finder = str | Path | Callable[..., Any]
"""A transformers model (folder, or name of one that was downloaded before), or a ready pipeline."""


def from_file(
    path: str | Path, size: Size | None = None, polarity: Polarity = "white-changes", channel: Channel = "auto"
) -> Image.Image:
    """Read a map from a picture.

    Args:
        path: The file.
        size: (width, height) to which it is resized; it must have the same aspect.
        polarity: ``white-changes``, or ``white-keeps`` for maps that mean the opposite.
        channel: ``auto``, ``luminance`` or ``alpha``: what of the picture is the strength.

    Returns:
        An 8-bit gray image of that size, or the file's own, white = change.

    Raises:
        InputError: if it is no picture, or its aspect is another.
    """
    from scumble.images import load_map
    from scumble.images.decode import open_file

    image = open_file(path, "map")
    tensor, _ = load_map(image, size or image.size, polarity, channel)
    return to_grey(tensor[0, 0].numpy())


def luminance(image: Source) -> Image.Image:
    """Make a map of an image's own brightness (Rec. 601): bright places change.

    Args:
        image: Path, bytes, open file, array (H, W, 3) of bytes, or PIL image.

    Returns:
        An 8-bit gray image of the image's size, white = change.

    Raises:
        InputError: if the image cannot be read.
    """
    from scumble.images import load_image

    return load_image(image).rgb.convert("L")


def depth(image: Source, model: Finder | None = None) -> Image.Image:
    """Make a map of an image's depth, stretched so that the whole range is used.

    Args:
        image: Path, bytes, open file, array (H, W, 3) of bytes, or PIL image.
        model: A depth model of transformers (folder, or name of one that was downloaded before), or a ready pipeline;
            Depth Anything V2 Small by default.

    Returns:
        An 8-bit gray image of the image's size: what the model gives the larger values is white, for most of them what
        is near.

    Raises:
        CheckpointError: if there is no such model on this machine.
        InputError: if the model's values are not numbers, or the image cannot be read.
    """
    from scumble.images import load_image

    rgb = load_image(image).rgb
    answer = _ask("depth-estimation", model, "depth-anything/Depth-Anything-V2-Small-hf", rgb)
    far_and_near = np.asarray(answer["predicted_depth"], np.float32).squeeze()
    low, high = float(far_and_near.min()), float(far_and_near.max())
    if not np.isfinite([low, high]).all():
        raise InputError("the depth model gave values that are not numbers")
    stretched = (far_and_near - low) / (high - low) if high > low else np.zeros_like(far_and_near)
    full = Image.fromarray(stretched).resize(rgb.size, Image.Resampling.BILINEAR)
    return to_grey(np.asarray(full))


def segmentation(image: Source, model: Finder | None = None, labels: Sequence[str] = ()) -> Image.Image:
    """Make a map of the things called ``labels`` in an image.

    Args:
        image: Path, bytes, open file, array (H, W, 3) of bytes, or PIL image.
        model: A segmentation model of transformers (folder, or name of one that was downloaded before), or a ready
            pipeline; Mask2Former (COCO) by default.
        labels: Names, matched whatever the case.

    Returns:
        An 8-bit gray image of the image's size, white = change.

    Raises:
        InputError: if no label is given or none is there, naming what is in the image.
        CheckpointError: if there is no such model on this machine.
    """
    from scumble.images import load_image

    rgb = load_image(image).rgb
    answer = _ask("image-segmentation", model, "facebook/mask2former-swin-tiny-coco-panoptic", rgb)
    present = list(dict.fromkeys(str(one["label"]).lower() for one in answer))
    wanted = [label.strip().lower() for label in labels]
    names = ", ".join(present) or "nothing"
    if not wanted:
        raise InputError(f"say which things may change; the model found: {names}")
    for label in wanted:
        if label not in present:
            raise InputError(f"the model found no {label!r} in the picture, but: {names}{nearest(label, present)}")
    masks = [np.asarray(one["mask"].convert("L")) for one in answer if str(one["label"]).lower() in wanted]
    return to_grey(np.max(masks, axis=0) / 255.0)


def _ask(task: str, model: Finder | None, example: str, rgb: Image.Image) -> Any:
    pipeline = _pipeline(task, model, example)
    try:
        return pipeline(rgb)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a model made for another task
        raise CheckpointError(f"the model {model} does not do {task}: {error}") from error


def _pipeline(task: str, model: Finder | None, example: str) -> Callable[..., Any]:
    """Return a transformers pipeline from what is on this machine; nothing is downloaded."""
    if callable(model):
        return model
    if model is None:
        raise InputError(
            f"a map by {task} needs a model: give the folder of a transformers {task} model, "
            f"or the name of a downloaded one (for example: hf download {example})"
        )
    folder = Path(model)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        try:
            folder = Path(snapshot_download(str(model), local_files_only=True))
        except Exception as error:  # not found, no valid name, broken cache: the advice is the same
            raise CheckpointError(
                f"the {task} model {str(model)!r} is not on this machine: give its folder, or fetch it first with "
                f"'hf download {example}' and pass that name"
            ) from error
    from transformers import pipeline

    try:
        return pipeline(task, model=str(folder), model_kwargs={"use_safetensors": True})
    except Exception as error:  # whatever is wrong with the folder, transformers says it in the error's text
        raise CheckpointError(f"{folder.name} cannot be used for {task}: {str(error).splitlines()[0]}") from error
