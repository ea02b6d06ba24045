"""The command line. Commands are imported only when they are asked for, so that ``--help`` is instant."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from scumble.cli.hints import with_hint
from scumble.cli.pipes import with_streams
from scumble.errors import CheckpointError, InputError, MethodError, ScumbleError, nearest
from scumble.untrusted import printable

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["main", "make_app"]

FAILED, BAD_INPUT, NOT_LOADED, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: it began and failed; wrong words or files; a model or other weights cannot be loaded; Ctrl-C."""

COMMANDS = {
    "edit": ("scumble.cli.edit:edit", "Edit a picture with any method."),
    "generate": ("scumble.cli.edit:generate", "Make a picture from words."),
    "invert": ("scumble.cli.invert:invert", "Find the noise that leads back to a picture, as a file to edit from."),
    "drag": ("scumble.cli.drag:drag", "Drag points of a picture to other places."),
    "batch": ("scumble.cli.batch:batch", "Make many requests: a list or a folder in, every result or its reason out."),
    "extend": ("scumble.cli.extend:extend", "Continue a picture beyond its edges."),
    "map": ("scumble.cli.map:app", "Make a change map."),
    "describe": ("scumble.cli.describe:describe", "Say what a picture of the bundled world shows."),
    "methods": ("scumble.cli.inspect:methods", "List the methods, their parameters, defaults and papers."),
    "info": ("scumble.cli.inspect:info", "Show the recipe inside a picture, or what an inversion file holds."),
    "redo": ("scumble.cli.redo:redo", "Make a picture again from its recipe and report the difference."),
    "demo": ("scumble.cli.demo:demo", "Edit a picture of the bundled world: before, map, after."),
    "analyse": ("scumble.cli.analyse:app", "Look at what noise and activations carry."),
    "studio": ("scumble.cli.studio:studio", "Paint, say and see it happen: a page on this machine."),
    "cache": ("scumble.cli.cache:app", "List or clear converted networks that are kept on the disk."),
    "world": ("scumble.cli.world:app", "Draw scenes of the bundled world, with captions and truths."),
    "bench": ("scumble.cli.bench:app", "Evaluate methods on edits with known truth, and report."),
    "train": ("scumble.cli.train:app", "Train the bundled models."),
}
"""Command -> (where it lives, one line of help)."""

EPILOGUE = """Example: `scumble edit photo.png --map map.png --prompt "a red cube" -o edited.png`

`scumble COMMAND --help` shows what people use first of a command, `--help-all` all of it.
`scumble --install-completion` lets TAB complete commands, flags and methods in bash, zsh and fish."""

RAW = ("edit", "generate", "drag", "extend", "batch")
"""Commands whose flags depend on their method: they parse their own words."""


def make_app() -> App:
    """Build the command line without importing any command."""
    from cyclopts import App

    from scumble import __version__

    app = App(name="scumble", help="Edit pictures with diffusion models: where, how much, with what words.",
              version=__version__, help_epilogue=EPILOGUE)  # fmt: skip
    for name, (where, text) in COMMANDS.items():
        app.command(where, name=name, help=text)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line: exit code 0 only when what was asked for is there, else one line and another code.

    With ``--json`` the line is a JSON object with the error's kind, its message and the exit code, on stdout.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        _dispatch(words)
    except ScumbleError as error:
        _fail(str(error), _code_of(error), type(error).__name__, words)
    except KeyboardInterrupt as stop:
        _fail(str(stop) or "interrupted; nothing was half-written", INTERRUPTED, "Interrupted", words)
    except BrokenPipeError:
        sys.exit(FAILED)
    except OSError as error:  # of the system: no space, no permission, a name that is too long
        place = "" if error.filename is None else f"{str(error.filename)[:200]}: "
        _fail(f"{place}{error.strerror or error}", FAILED, "OSError", words)


def _code_of(error: ScumbleError) -> int:
    if isinstance(error, CheckpointError):
        return NOT_LOADED
    return BAD_INPUT if isinstance(error, InputError | MethodError) else FAILED


def _dispatch(words: list[str]) -> None:
    command = words[0] if words else "--help"
    if command == "--install-completion":
        from scumble.cli.completion import install

        install(words[1:])
    elif command in RAW:
        module, _, function = COMMANDS[command][0].partition(":")
        getattr(importlib.import_module(module), function)(words[1:])
    elif command in COMMANDS or command.startswith("-"):
        run_app(make_app(), words or ["--help"])
    else:  # said here: to suggest one, the parser would import every command
        raise InputError(f"unknown command {command!r}{nearest(command, COMMANDS)}; scumble --help lists them")


def run_app(app: App, words: Sequence[str], whole: str | None = None) -> None:
    """Run a cyclopts app, turning its parse errors into one line and exit code 2.

    Args:
        app: The app: of one command, or of all, whose first word is then the command.
        words: What the user typed.
        whole: Title of a panel of which ``--help`` shows all.
    """
    from cyclopts import CycloptsError

    from scumble.cli.first_help import with_first_help

    app.suppress_keyboard_interrupt = False
    alone = app.name[0].partition(" ")[2]
    words = with_streams(with_first_help(app, alone or next(iter(words), ""), words, whole))
    try:
        app(list(words), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        message = " ".join(str(error).split())
        if "into dict[" in message:
            message += """ Give it as JSON, such as '{"red cube": 2}', or one by one, such as --resize.cube 2"""
        _fail(with_hint(message), BAD_INPUT, "InputError", words)


def _fail(message: str, code: int, kind: str, words: Sequence[str]) -> NoReturn:
    if "--json" in words:
        print(json.dumps({"error": {"kind": kind, "message": message, "code": code}}, ensure_ascii=False))
    else:
        print(f"scumble: {printable(message)}", file=sys.stderr)
    sys.exit(code)
