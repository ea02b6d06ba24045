"""``scumble redo``: the promise of replay, kept from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scumble.cli.pipes import is_stdout, output_file
from scumble.errors import InputError

if TYPE_CHECKING:
    from scumble.editing.redo import Redone

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
    chain: Annotated[bool, Parameter(negative="")] = False,
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
    chain
        Where edited pictures were edited again: make every edit again, from the first picture to PATH. --max-cost holds
        for each of them, --output gets the last.
    device
        cpu, cuda or mps.
    output
        Where to write the picture made again; - sends a PNG to stdout.
    as_json
        Print JSON.
    """
    from scumble.editing.redo import redo as repeat
    from scumble.editing.redo_chain import redo_chain

    if not path.exists():
        raise InputError(f"{path.name} does not exist")
    common: dict[str, Any] = {"inputs": inputs, "model": model, "device": device, "allow_fetch": allow_fetch}
    if not chain:
        done = repeat(path, image=image, change_map=change_map, inversion=inversion, **common, max_cost=max_cost)
        _tell(done, "", as_json, output)
        if as_json and not _as_picture(output):
            print(json.dumps(_record(done)))
        return
    if image is not None or change_map is not None or inversion is not None:
        raise InputError("--image, --map and --inversion are of one edit: with --chain, name folders with --inputs")
    edits = []
    for place, done in redo_chain(path, **common, max_cost=max_cost):
        _tell(done, f"{place.name}: ", as_json, output if place == path else None)
        edits.append({"picture": place.name, **_record(done)})
    largest = max(one["largest"] for one in edits)
    if as_json and not _as_picture(output):
        print(json.dumps({"largest": largest, "edits": edits}))
    else:
        _say(f"chain of {len(edits)}: largest pixel difference: {largest} of 255", output)


def _tell(done: Redone, what: str, as_json: bool, output: Path | None) -> None:
    """Say how one edit came out, and write it where it is wanted."""
    from scumble.images import save_image
    from scumble.records.metadata import embed

    for warning in done.warnings:
        print(f"note: {what}{warning}", file=sys.stderr)
    if output is not None:
        with output_file(output) as file:
            save_image(done.image, file, embed(done.recipe.model_dump(mode="json")))
    if not as_json or _as_picture(output):
        _say(f"{what}largest pixel difference: {done.largest} of 255 ({done.share:.2%} of the pixels differ)", output)


def _record(done: Redone) -> dict[str, Any]:
    return {"largest": done.largest, "share": done.share, "warnings": done.warnings, "lossy": done.lossy}


def _as_picture(output: Path | None) -> bool:
    """Whether stdout is the picture's."""
    return output is not None and is_stdout(output)


def _say(text: str, output: Path | None) -> None:
    print(text, file=sys.stderr if _as_picture(output) else sys.stdout)
