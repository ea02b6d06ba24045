"""``scumble map``: make a change map picture from the command line."""

from __future__ import annotations

from cyclopts import App

from scumble.cli.map.drawn import box, ellipse, fan, linear, radial, strips
from scumble.cli.map.from_words import difference, words
from scumble.cli.map.pictures import blur, combine, depth, levels, luminance, segments

__all__ = ["app"]

app = App(name="map", help="Make a change map: white = change, black = keep, grey = how much.")
DRAWN = (linear, radial, strips, fan, box, ellipse)
FROM_IMAGES = (blur, luminance, levels, combine, depth, segments, words, difference)
for command in (*DRAWN, *FROM_IMAGES):
    app.command(command)
