"""``scumble train``: make the bundled models again, larger, or on another machine."""

from __future__ import annotations

from cyclopts import App

from scumble.hspace.cli import asyrp
from scumble.training.cli import COMMANDS

__all__ = ["app"]

app = App(name="train", help="Train the bundled models, and directions for asyrp.")
for name, command in COMMANDS.items():
    app.command(command, name=name)
app.command(asyrp, name="asyrp")
