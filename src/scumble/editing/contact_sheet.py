"""A contact sheet: many pictures on one, each with a line beneath it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from scumble.editing.result import Result
from scumble.errors import InputError

__all__ = ["contact_sheet", "grouped_sheet", "sheet_of"]

GAP = 8
LINE = 16
BETWEEN = 2
"""Pixels between pictures of one group."""
WIDTH = 1600
"""Most pixels of a sheet of groups, unless one alone is wider."""
PAPER, INK = (250, 249, 246), (40, 38, 35)


def contact_sheet(
    images: Sequence[Image.Image], labels: Sequence[str] = (), *, columns: int | None = None, side: int = 160
) -> Image.Image:
    """Return an RGB picture with all ``images`` in rows, each fitted into ``side`` x ``side``, labels beneath.

    Small pictures are enlarged without smoothing, so that their pixels can be judged; of a label that is too long the
    middle is left out.

    Raises:
        InputError: If there are no pictures, or labels for another number of them.
    """
    if not images:
        raise InputError("a contact sheet needs at least one picture")
    if labels and len(labels) != len(images):
        raise InputError(f"{len(images)} pictures cannot have {len(labels)} labels")
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    rows, line = math.ceil(len(images) / columns), LINE if labels else 0
    size = (columns * (side + GAP) + GAP, rows * (side + line + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for k, image in enumerate(images):
        left, top = GAP + k % columns * (side + GAP), GAP + k // columns * (side + line + GAP)
        small = _fitted(image, side)
        sheet.paste(small, (left + (side - small.width) // 2, top + (side - small.height) // 2))
        if labels:
            draw.text((left, top + side + 1), _cut(labels[k], side, font), fill=INK, font=font)
    return sheet


def grouped_sheet(
    groups: Sequence[tuple[str, Sequence[Image.Image]]], *, title: str = "", side: int = 160, width: int = WIDTH
) -> Image.Image:
    """Return an RGB picture of groups of pictures, each with one line beneath it, and a title above all.

    What belongs together stands side by side without a gap that parts it; groups fill rows up to ``width``.

    Raises:
        InputError: If there are no pictures.
    """
    if not any(images for _, images in groups):
        raise InputError("a contact sheet needs at least one picture")
    rows: list[list[tuple[int, str, Sequence[Image.Image]]]] = [[]]
    left = widest = GAP
    for label, images in groups:
        wide = len(images) * (side + BETWEEN) - BETWEEN
        if rows[-1] and left + wide + GAP > width:
            rows, left = [*rows, []], GAP
        rows[-1].append((left, label, images))
        left += wide + 2 * GAP
        widest = max(widest, left - GAP)
    top = GAP + (LINE + GAP if title else 0)
    sheet = Image.new("RGB", (widest, top + len(rows) * (side + LINE + GAP)), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    draw.text((GAP, GAP), _cut(title, widest - 2 * GAP, font), fill=INK, font=font)
    for row in rows:
        small = [[_fitted(image, side) for image in images] for _, _, images in row]
        high = max(image.height for group in small for image in group)
        for (left, label, _), group in zip(row, small, strict=True):
            at, room = left, len(group) * (side + BETWEEN) - BETWEEN
            for image in group:
                sheet.paste(image, (at, top + (high - image.height) // 2))
                at += image.width + BETWEEN
            draw.text((left, top + high + 1), _cut(label, room, font), fill=INK, font=font)
        top += high + LINE + GAP
    return sheet.crop((0, 0, widest, top))


def sheet_of(result: Result, *, columns: int | None = None, side: int = 160) -> Image.Image:
    """Return the contact sheet of a result: the source, if there was one, then the candidates with their reports."""
    images, labels = list(result.images), []
    for k in range(len(images)):
        report = result.reports[k] if k < len(result.reports) else {}
        name = f"seed {result.recipe.seed + int(report.get('candidate', k))}"
        score = report.get("clip_distance")
        labels.append(name if score is None else f"{report['rank']}. {name}: {score:.3f}")
    if result.source is not None:
        images, labels = [result.source.rgb, *images], ["source", *labels]
    return contact_sheet(images, labels, columns=columns, side=side)


def _fitted(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.convert("RGB").resize(size, how)


def _cut(label: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The label with its middle left out where it is too long: names of a series differ at their ends."""
    whole, kept = label, len(label)
    while kept and font.getlength(label) > width:
        kept -= 1
        label = f"{whole[: kept - kept // 2]}…{whole[len(whole) - kept // 2 :]}"
    return label
