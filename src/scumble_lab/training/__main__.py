"""`python -m scumble_lab.training vae --size cpu`: the training commands without the rest of the command line."""

from __future__ import annotations

import sys

from cyclopts import App

from scumble.cli.train_commands import COMMANDS
from scumble.errors import ScumbleError

app = App(name="scumble_lab.training", help="Train the bundled models from the still-life world.")
for _name, _command in COMMANDS.items():
    app.command(_command, name=_name)

if __name__ == "__main__":
    try:
        app()
    except ScumbleError as error:
        sys.exit(f"error: {error}")
