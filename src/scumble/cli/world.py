"""``scumble world``: scenes of the bundled world, drawn and written with their truths."""

from __future__ import annotations

from cyclopts import App

from scumble.cli.world_commands import render_pictures, sheet

__all__ = ["app"]

app = App(name="world", help="Draw scenes of the bundled world, with captions and truths.")
app.command(sheet)
app.command(render_pictures, name="render")
