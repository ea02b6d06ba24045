"""``scumble invert``: an image to the file from which it can be edited again and again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from scumble.cli.describe import AUTO, with_caption
from scumble.cli.flags import build_method, with_fields
from scumble.cli.model_flags import ModelFlags
from scumble.cli.pipes import named, opened
from scumble.errors import InputError
from scumble.files import refuse_overwriting
from scumble.inversion.settings import InversionSettings
from scumble.records.view import View

__all__ = ["invert"]


def _invert(
    image: str,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    change_map: Annotated[Path | None, Parameter(name=["--map", "--mask", "--change-map"])] = None,
    region: str | None = None,
    tiles: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    seed: int | None = None,
    flags: ModelFlags = ModelFlags(),  # noqa: B008
    quiet: Annotated[bool, Parameter(negative="")] = False,
    given: dict[str, Any],
) -> None:
    """Invert an image into a file; scumble edit --inversion FILE then only runs the steps of the edit.

    Parameters
    ----------
    image
        The image; - reads it from stdin.
    output
        NAME.inversion.safetensors; named after the image by default.
    change_map
        A map that shows where edits will change the image: the inversion is of the window around it.
    region
        Or a box, x,y,width,height in pixels.
    tiles
        Invert at the picture's own size in overlapping tiles; edits from the file work in tiles too.
    overwrite
        Replace a file that is there.
    seed
        Seed of the draws; other seeds give other, equally exact inversions.
    quiet
        Print the file's name only.
    """
    if given.get("prompt") == AUTO:
        given = {**given, "prompt": with_caption({"source_prompt": AUTO}, image, flags.model, quiet)["source_prompt"]}
    settings = build_method(InversionSettings, given)
    target = output or Path(f"{named(image)}.inversion.safetensors")
    if not target.name.endswith(".safetensors"):
        raise InputError(f"output {target.name!r} must end in .inversion.safetensors")
    if not target.parent.is_dir():
        raise InputError(f"the output folder {target.parent.name!r} does not exist; create it first")
    if not overwrite:
        refuse_overwriting(target)
    picture = opened(image)
    editor = flags.editor()
    view = View(tiles=True) if tiles else None
    inversion = editor.invert(picture, settings, seed=seed, change_map=_where(change_map, region), view=view)
    inversion.save(target)
    if not quiet:
        errors = ", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in inversion.error.items())
        steps = f"{inversion.steps - inversion.first} of {inversion.steps} steps"
        print(f"{inversion.kind}: {steps}; replayed: {errors}", file=sys.stderr)
    print(target)


def _where(change_map: Path | None, region: str | None) -> Path | tuple[int, int, int, int] | None:
    if region is None or change_map is not None:
        return change_map
    try:
        left, top, width, height = (int(part) for part in region.split(","))
    except ValueError as error:
        raise InputError(f"--region {region!r}: give x,y,width,height in pixels, such as 100,80,200,160") from error
    return left, top, left + width, top + height


invert = with_fields(_invert, InversionSettings, title="Parameters of the inversion")
