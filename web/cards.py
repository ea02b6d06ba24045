"""The small before/after pictures on the cards of the methods, cut from those of the documentation: run by hand."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 96, 68
"""Pixels of each half."""


def card(path: Path) -> Image.Image:
    """Before and after, side by side, each cut to the shape of half a card."""
    with Image.open(path) as image:
        strip = image.convert("RGB")
    side = strip.height
    both = Image.new("RGB", (2 * WIDTH, HEIGHT))
    rows = round(side * HEIGHT / WIDTH)
    top = round((side - rows) * 0.6)
    for k, left in enumerate((0, strip.width - side)):
        half = strip.crop((left, top, left + side, top + rows))
        both.paste(half.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), (k * WIDTH, 0))
    return both


if __name__ == "__main__":
    target = ROOT / "web" / "public" / "cards"
    target.mkdir(exist_ok=True)
    for path in sorted((ROOT / "docs" / "pictures").glob("*.jpg")):
        if path.stem != "text-to-image":
            card(path).save(target / f"{path.stem}.webp", quality=62, method=6)
