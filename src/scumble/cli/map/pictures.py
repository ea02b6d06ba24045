"""Maps from pictures and other maps: ``blur``, ``luminance``, ``levels``, ``combine``, ``depth``, ``segments``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from scumble.cli.map.canvas import Canvas, Output, Overwrite, write
from scumble.cli.pipes import input_file

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["blur", "combine", "depth", "levels", "luminance", "segments"]


def blur(
    mask: Path,
    *,
    radius: int = 16,
    side: Literal["outside", "inside", "centred"] = "outside",
    output: Output,
    overwrite: Overwrite = False,
) -> None:
    """Give a mask a soft edge ("soft inpainting").

    Parameters
    ----------
    mask
        A black and white picture.
    radius
        Fade over this many pixels.
    side
        outside: all that is white stays white. inside: all that is black stays black. centred: halfway.
    """
    from scumble import maps

    with input_file(mask) as file:
        write(maps.blurred_mask(maps.from_file(file), radius, side), output, overwrite)


def luminance(image: Path, *, output: Output, overwrite: Overwrite = False) -> None:
    """Make a map of a picture's brightness: bright places change.

    Parameters
    ----------
    image
        The picture.
    """
    from scumble import maps

    with input_file(image) as file:
        write(maps.luminance(file), output, overwrite)


def levels(
    source: Path,
    *,
    black: float = 0.0,
    white: float = 1.0,
    gamma: float = 1.0,
    invert: Annotated[bool, Parameter(negative="")] = False,
    channel: Literal["auto", "luminance", "alpha"] = "auto",
    like: Path | None = None,
    output: Output,
    overwrite: Overwrite = False,
) -> None:
    """Stretch, bend, invert or resize a map; or make one of a picture's alpha channel.

    Parameters
    ----------
    source
        A map.
    black
        This strength becomes 0.
    white
        This strength becomes 1.
    gamma
        Above 1 lifts the middle, below 1 lowers it.
    invert
        Swap change and keep (for maps in which white keeps).
    channel
        Which channel to read.
    like
        Resize to this picture (of the same shape).
    """
    from scumble import maps

    size = None if like is None else Canvas(like=like).sides()
    with input_file(source) as file:
        grey = maps.from_file(file, size, channel=channel)
    write(maps.levels(grey, black, white, gamma, invert), output, overwrite)


def combine(
    *sources: Path, how: Literal["max", "min", "multiply", "add"] = "max", output: Output, overwrite: Overwrite = False
) -> None:
    """Put several maps together.

    Parameters
    ----------
    sources
        Maps of one size.
    how
        max: where any changes; min: where all do; multiply; add.
    """
    from scumble import maps

    def read(source: Path) -> Image.Image:
        with input_file(source) as file:
            return maps.from_file(file)

    write(maps.combine([read(source) for source in sources], how), output, overwrite)


def depth(image: Path, *, model: str | None = None, output: Output, overwrite: Overwrite = False) -> None:
    """Make a map of a picture's depth with a depth model that is on this machine; near is white for most of them.

    Parameters
    ----------
    image
        The picture.
    model
        Folder or name of a transformers depth-estimation model.
    """
    from scumble import maps

    with input_file(image) as file:
        write(maps.depth(file, model), output, overwrite)


def segments(image: Path, *labels: str, model: str | None = None, output: Output, overwrite: Overwrite = False) -> None:
    """Make a map of things in a picture, by name, with a segmentation model that is on this machine.

    Parameters
    ----------
    image
        The picture.
    labels
        What may change, as the model calls it: cat, sky-other-merged, ….
    model
        Folder or name of a transformers image-segmentation model.
    """
    from scumble import maps

    with input_file(image) as file:
        write(maps.segmentation(file, model, labels), output, overwrite)
