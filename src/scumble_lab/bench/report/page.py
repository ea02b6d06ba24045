"""The report as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from scumble.errors import InputError
from scumble_lab.bench.formatting import counted
from scumble_lab.bench.report.drawing import GAP, data_url, side_of, strip_picture
from scumble_lab.bench.report.grids import Grid, Strip
from scumble_lab.bench.report.sections import Section

__all__ = ["page"]

SHOWN = 96
"""Width and height of a picture on the page, in pixels."""
_AFTER = 12
_MARKS = {"holds": "holds", "does not hold": "not", "undecided": "open", "cannot be checked here": "open"}


def page(heading: str, opening: Sequence[str], notices: Sequence[str], parts: Sequence[Section]) -> str:
    """Return the page as HTML text.

    Raises:
        InputError: if jinja2 is missing.
    """
    try:
        import jinja2
    except ImportError as error:
        raise InputError("the report needs its extras: pip install 'scumble[evaluation]'") from error
    source = files("scumble_lab.bench.report").joinpath("page.html.j2").read_text()
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render(
        heading=heading,
        opening=opening,
        notices=notices,
        remarks=counted(len(notices), "remark"),
        sections=parts,
        marks=_MARKS,
        pixelated=all(side_of(grid) < SHOWN for part in parts for grid in part.grids),
        column=_column,
        url=lambda grid, strip: data_url(strip_picture(strip, side_of(grid))),
        size=_size,
    )


def _column(grid: Grid, last: bool) -> int:
    """Width of a picture's column; the last of a strip holds the space after it."""
    return SHOWN + (_AFTER if last else GAP * SHOWN // side_of(grid))


def _size(grid: Grid, strip: Strip) -> str:
    gaps = (len(strip.pictures) - 1) * (GAP * SHOWN // side_of(grid))
    return f"width={len(strip.pictures) * SHOWN + gaps} height={SHOWN}"
