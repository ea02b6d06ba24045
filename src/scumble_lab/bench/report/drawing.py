"""Draws the report's grids: whole as a picture with words, or strip by strip for a page that has its own words."""

from __future__ import annotations

import base64
import io
import re

from PIL import Image, ImageDraw, ImageFont

from scumble_lab.bench.report.grids import Grid, Line, Strip

__all__ = ["GAP", "data_url", "drawn", "side_of", "strip_picture", "webp"]

SIDES = (64, 128)
"""Pictures are shown at their own size between these, in pixels."""
GAP, SPACE = 2, 10
EDGE, BESIDE = 6, 156
SIZE, LINE = 11, 13
QUALITY = 90
PAPER, INK, SOFT, EMPTY = (255, 255, 255), (30, 30, 30), (110, 110, 110), (232, 232, 232)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def side_of(grid: Grid) -> int:
    """Width and height of a grid's pictures."""
    heights = [picture.height for line in grid.lines for s in line.strips for picture in s.pictures if picture]
    return min(max([SIDES[0], *heights]), SIDES[1])


def strip_picture(strip: Strip, side: int) -> Image.Image:
    """A strip's pictures side by side, each fitted into a square; grey where there is none."""
    page = Image.new("RGB", (_width(len(strip.pictures), side), side), PAPER)
    for k, picture in enumerate(strip.pictures):
        x = k * (side + GAP)
        if picture is None:
            page.paste(EMPTY, (x, 0, x + side, side))
        else:
            small = _fitted(picture, side)
            page.paste(small, (x + (side - small.width) // 2, (side - small.height) // 2))
    return page


def drawn(grid: Grid) -> Image.Image:
    """The grid with its words: above the columns, beside the lines and beneath the strips."""
    font, side = ImageFont.load_default(SIZE), side_of(grid)
    above = [[_wrapped(word, side, font) for word in heads] for heads in grid.heads]
    lefts = [EDGE + BESIDE]
    for heads in grid.heads:
        lefts.append(lefts[-1] + _width(len(heads), side) + SPACE)
    lines = [_Words(line, side, font) for line in grid.lines]
    head = EDGE + LINE * max((len(words) for heads in above for words in heads), default=0) + GAP
    page = Image.new("RGB", (lefts[-1] - SPACE + EDGE, head + sum(line.height for line in lines)), PAPER)
    draw = ImageDraw.Draw(page)
    for left, heads_above in zip(lefts[:-1], above, strict=True):
        for k, words in enumerate(heads_above):
            _write(draw, words, INK, (left + k * (side + GAP), head - GAP - len(words) * LINE), font)
    y = head
    for line in lines:
        _write(draw, line.name, INK, (EDGE, y), font)
        _write(draw, line.about, SOFT, (EDGE, y + len(line.name) * LINE), font)
        for left, strip, words in zip(lefts[:-1], line.strips, line.beneath, strict=False):
            page.paste(strip_picture(strip, side), (left, y))
            _write(draw, words, SOFT, (left, y + side), font)
        y += line.height
    return page


class _Words:
    """A line's words, broken into lines that fit, and how high it is with them."""

    def __init__(self, line: Line, side: int, font: Font) -> None:
        self.strips = line.strips
        self.name, self.about = (_wrapped(text, BESIDE - SPACE, font) for text in (line.name, line.about))
        self.beneath = [_wrapped(s.caption, _width(len(s.pictures), side), font) for s in line.strips]
        beneath, beside = max(map(len, self.beneath), default=0), len(self.name) + len(self.about)
        self.height = max(side + beneath * LINE, beside * LINE) + SPACE


def data_url(image: Image.Image) -> str:
    """The picture as text for an HTML page."""
    return "data:image/webp;base64," + base64.b64encode(webp(image)).decode()


def webp(image: Image.Image) -> bytes:
    """The picture as a small WebP file: a report has hundreds of them, and no figure is read from these."""
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def _write(
    draw: ImageDraw.ImageDraw, lines: list[str], color: tuple[int, int, int], at: tuple[int, int], font: Font
) -> None:
    for k, text in enumerate(lines):
        draw.text((at[0], at[1] + k * LINE), text, fill=color, font=font)


def _wrapped(text: str, width: int, font: Font) -> list[str]:
    """The text in lines that fit, broken at spaces and after hyphens; its own lines stay."""
    lines: list[str] = []
    for line in text.splitlines():
        lines.append("")
        for piece in re.findall(r"\S+?(?:-|\s+|$)", line):
            if lines[-1] and font.getlength((lines[-1] + piece).rstrip()) > width:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]


def _width(count: int, side: int) -> int:
    return count * (side + GAP) - GAP


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    if picture.size == (side, side):
        return picture
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)
