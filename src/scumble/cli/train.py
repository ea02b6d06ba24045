"""``scumble train``: make the bundled models again, larger, or on another machine."""

from __future__ import annotations

from cyclopts import App

from scumble.cli.train_commands import COMMANDS

__all__ = ["app"]

app = App(name="train", help="Train the bundled models, and directions for asyrp.")
for name, command in COMMANDS.items():
    app.command(command, name=name)
app.command("scumble.cli.train_asyrp:asyrp", name="asyrp", help="Find a direction of the bottleneck for asyrp.")
