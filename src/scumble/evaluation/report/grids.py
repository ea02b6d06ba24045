"""The best, median and worst case of each method side by side, chosen by score alone."""

from __future__ import annotations

import base64
import io

from PIL import Image

from scumble.evaluation.case import Sample
from scumble.evaluation.collect import Collected, Row
from scumble.evaluation.folder import result_picture
from scumble.evaluation.score import overall

__all__ = ["CHOSEN", "chosen_rows", "data_url", "grid", "strip"]

CHOSEN = ("best", "median", "worst")
GAP = 2


def chosen_rows(collected: Collected, editor: str) -> list[Row]:
    """The results of the highest, the middle and the lowest score; fewer where there are fewer."""
    rows = sorted(collected.of(editor), key=lambda row: -overall(row.figures))
    if len(rows) < 3:
        return rows
    return [rows[0], rows[len(rows) // 2], rows[-1]]


def strip(collected: Collected, row: Row, side: int = 64) -> Image.Image:
    """Source, true result (where there is one) and result of one case, side by side, each of `side` pixels' height."""
    sample: Sample = collected.benchmark.load(row.case)
    pictures = [sample.source, sample.target, result_picture(collected.benchmark, row.editor, sample)]
    shown = [_fitted(picture, side) for picture in pictures if picture is not None]
    width = sum(picture.width for picture in shown) + GAP * (len(shown) - 1)
    page = Image.new("RGB", (width, side), "white")
    x = 0
    for picture in shown:
        page.paste(picture, (x, 0))
        x += picture.width + GAP
    return page


def grid(collected: Collected, editors: list[str], side: int = 64) -> Image.Image:
    """One line per editor: the strips of its best, median and worst case."""
    lines = [[strip(collected, row, side) for row in chosen_rows(collected, name)] for name in editors]
    lines = [line for line in lines if line]
    if not lines:
        return Image.new("RGB", (1, 1), "white")
    width = max(sum(s.width for s in line) + 8 * (len(line) - 1) for line in lines)
    page = Image.new("RGB", (width, len(lines) * (side + GAP) - GAP), "white")
    for k, line in enumerate(lines):
        x = 0
        for one in line:
            page.paste(one, (x, k * (side + GAP)))
            x += one.width + 8
    return page


def data_url(image: Image.Image) -> str:
    """The picture as text for an HTML page: PNG with few colours' loss-free compression."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    if picture.height == side:
        return picture
    width = max(1, round(picture.width * side / picture.height))
    return picture.resize((width, side), Image.Resampling.LANCZOS)
