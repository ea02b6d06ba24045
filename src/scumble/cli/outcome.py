"""Where a result goes, settled before anything is computed, and what is printed of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scumble.cli.common import Common
from scumble.cli.pipes import is_stdout, output_file, refuse_terminal
from scumble.errors import InputError
from scumble.files import PICTURE_FORMATS, refuse_overwriting

if TYPE_CHECKING:
    from scumble.editing.estimate import Plan
    from scumble.editing.result import Result


__all__ = ["report", "settled_target", "tell_plan"]


def tell_plan(planned: Plan, common: Common) -> None:
    """Print what an edit will cost."""
    if not common.json:
        print(planned)
        return
    names = ("network_calls", "forward_rows", "backward_rows")
    bounds = {name: {n: getattr(getattr(planned, name), n) for n in names} for name in ("least", "most")}
    more = {"seconds": planned.seconds, "peak_bytes": planned.peak_bytes}
    print(json.dumps({**bounds, "exact": planned.exact, "why": planned.why, **more}))


def settled_target(common: Common, default: str, source: Path | None = None) -> Path:
    """Settle where the result goes before anything is computed.

    Args:
        common: The flags: ``output``, and whether files may be overwritten.
        default: Name of the result where none was given.
        source: The file that is edited.

    Raises:
        InputError: If it cannot be written there, or a file would be lost.
    """
    target = common.output or Path(default)
    if is_stdout(target):
        _check_stdout(common)
        return target
    if not target.parent.is_dir():
        raise InputError(f"the output folder {target.parent.name!r} does not exist; create it first")
    if target.suffix.lower() not in PICTURE_FORMATS:
        raise InputError(f"output {target.name!r} has an unknown extension: use .png, .jpg, .webp or .tif")
    if not common.overwrite:
        refuse_overwriting(target, source)
    return target


def _check_stdout(common: Common) -> None:
    if common.json:
        raise InputError("--json and -o - both write to stdout; give the picture a file")
    if common.count != 1:
        raise InputError(f"-o - takes one picture, not {common.count} candidates; give a file name")
    if not common.plan:
        refuse_terminal()


def report(result: Result, target: Path, common: Common) -> None:
    """Write the candidates and say what they cost."""
    with output_file(target) as file:
        written = result.save(file, metadata=common.metadata, map_inside=common.map_inside,
                              overwrite=common.overwrite, strip=common.strip)  # fmt: skip
    cost = result.cost.as_dict()
    if common.json:
        recipes = [result.recipe_of(k).model_dump(mode="json") for k in range(len(written))]
        record = {"outputs": [str(p) for p in written], "recipes": recipes, "cost": cost, "notices": result.notices}
        print(json.dumps(record, ensure_ascii=False))
        return
    if not common.quiet:
        for notice in result.notices:
            print(notice, file=sys.stderr)
        print(
            f"{cost['network_calls']} network calls, {cost['forward_rows']} forward and {cost['backward_rows']}"
            f" backward rows, {result.cost.seconds:.1f} s",
            file=sys.stderr,
        )
    for path in () if is_stdout(target) else written:
        print(path)
