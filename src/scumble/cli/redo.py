"""``scumble redo``: the promise of replay, kept from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scumble.cli.pipes import is_stdout, output_file
from scumble.errors import InputError

__all__ = ["redo"]


def redo(
    path: Path,
    *,
    image: Path | None = None,
    change_map: Annotated[Path | None, Parameter(name=["--map", "--mask"])] = None,
    inversion: Path | None = None,
    inputs: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    model: str | None = None,
    allow_fetch: Annotated[bool, Parameter(negative="")] = False,
    max_cost: int | None = None,
    device: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Make a picture again from its recipe and print the largest pixel difference.

    Parameters
    ----------
    path
        A picture made by scumble.
    image
        The picture that was edited; found by its hash beside PATH when not given.
    change_map
        The change map; found likewise.
    inversion
        The inversion file, where one was used; found likewise.
    inputs
        More folders in which the recipe's files are looked for by their content; may be given several times.
    model
        The model; by default the one of the package that the recipe names.
    allow_fetch
        Also take models from the hub that the recipe names.
    max_cost
        Refuse what may take more rows of the network, forward and backward together.
    device
        cpu, cuda or mps.
    output
        Where to write the picture made again; - sends a PNG to stdout.
    as_json
        Print JSON.
    """
    from scumble.editing.redo import redo as repeat
    from scumble.images import save_image
    from scumble.records.metadata import embed

    if not path.exists():
        raise InputError(f"{path.name} does not exist")
    done = repeat(
        path,
        image=image,
        change_map=change_map,
        inversion=inversion,
        inputs=inputs,
        model=model,
        device=device,
        allow_fetch=allow_fetch,
        max_cost=max_cost,
    )
    for warning in done.warnings:
        print(f"note: {warning}", file=sys.stderr)
    if output is not None:
        with output_file(output) as file:
            save_image(done.image, file, embed(done.recipe.model_dump(mode="json")))
    if output is not None and is_stdout(output):
        print(f"largest pixel difference: {done.largest} of 255", file=sys.stderr)
    elif as_json:
        record = {"largest": done.largest, "share": done.share, "warnings": done.warnings, "lossy": done.lossy}
        print(json.dumps(record))
    else:
        print(f"largest pixel difference: {done.largest} of 255 ({done.share:.2%} of the pixels differ)")
