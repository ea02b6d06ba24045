"""``scumble --install-completion``: what TAB completes in bash, zsh, fish and PowerShell."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from scumble.cli import COMMANDS, EPILOGUE, RAW, run_app
from scumble.errors import InputError

__all__ = ["complete_app", "install"]

Shell = Literal["bash", "zsh", "fish", "powershell"]
IN_ZSH = "_cyclopts_scumble"
"""The function that the script for zsh defines: a file of another name completes nothing."""


def install(words: Sequence[str]) -> None:
    """Run ``scumble --install-completion``."""

    def command(*, shell: Shell | None = None, output: Path | None = None) -> None:
        """Let TAB complete commands, flags and methods; begins with the next shell.

        Parameters
        ----------
        shell
            The one you use; found out when not given.
        output
            Write the script there and change nothing else.
        """
        if shell == "zsh" and output is not None and output.name != IN_ZSH:
            raise InputError(
                f"zsh looks for completions under the name {IN_ZSH}: give --output {output.parent / IN_ZSH}"
            )
        app = complete_app()
        try:
            path = app.install_completion(shell=shell, output=output, add_to_startup=output is None)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"completions could not be installed: {error}; name the shell with --shell bash"
            ) from error
        print(f"{path}: completions begin with the next shell")

    app = App(name="scumble --install-completion", version_flags=[])
    app.default(command)
    run_app(app, words)


def complete_app() -> App:
    """The whole command line with the flags of every method, as completions know it."""
    from scumble import __version__

    app = App(name="scumble", version=__version__, help_epilogue=EPILOGUE)
    for name, (where, text) in COMMANDS.items():
        app.command(_with_all_flags(name) if name in RAW else where, name=name, help=text)
    return app


def _with_all_flags(command: str) -> Callable[..., None]:
    """A function with the flags that a command has with any of its methods."""
    from scumble.cli.batch import make
    from scumble.cli.drag import drag_app
    from scumble.cli.edit import edit_app, generate_app
    from scumble.cli.extend import extend_app
    from scumble.methods.drag.fields import PointFields
    from scumble.methods.registry import method_class, method_names

    if command == "batch":
        return make
    kinds: dict[str, Any] = {name: method_class(name) for name in method_names()}
    drags = [name for name in kinds if issubclass(kinds[name], PointFields)]
    edits = [name for name in kinds if kinds[name].takes_image]
    makes = [name for name in kinds if not kinds[name].takes_image or kinds[name].image_optional]
    app_of, names = {
        "edit": (edit_app, edits),
        "generate": (generate_app, makes),
        "drag": (drag_app, drags),
        "extend": (extend_app, [name for name in edits if name not in drags]),
    }[command]
    apps = [app_of(["--method", name]) for name in names]
    return _joined([app.default_command for app in apps if app.default_command is not None], names)


def _joined(commands: Sequence[Callable[..., None]], methods: Sequence[str]) -> Callable[..., None]:
    """A function with the parameters of all of them, whose ``--method`` is a choice."""
    parameters: dict[str, inspect.Parameter] = {}
    for one in commands:
        for name, parameter in inspect.signature(one).parameters.items():
            parameters.setdefault(name, parameter)
    common = parameters["common"]
    names = Annotated[Literal[tuple(methods)], Parameter(name=["--method", "-m"])]  # type: ignore[valid-type]
    chosen = make_dataclass("Chosen", [("method", names, methods[0])], bases=(common.annotation,), frozen=True)
    chosen.__module__ = common.annotation.__module__  # where the annotations that it inherits are read
    parameters["common"] = common.replace(annotation=Parameter(name="*")(chosen), default=chosen())

    def command(**flags: Any) -> None:
        raise InputError("this stands for completions only")

    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        sorted(parameters.values(), key=lambda parameter: parameter.kind)
    )
    command.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    command.__doc__ = commands[0].__doc__
    return command
