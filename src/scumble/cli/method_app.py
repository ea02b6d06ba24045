"""The method that a command's words name, and the command with its fields as flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import App

from scumble.cli.flags import is_named, method_of, with_fields
from scumble.errors import InputError
from scumble.methods.method import Method
from scumble.methods.registry import method_class

__all__ = ["acting", "command_app", "default_method", "edit_method", "whole_panel"]


def edit_method(words: Sequence[str], default: str, takes_image: bool) -> type[Method]:
    """Return the method that ``--method`` names, refusing one that belongs to the other command."""
    method: type[Method] = method_class(method_of(words, default))
    if method.takes_image is not takes_image and not method.image_optional:
        other = "scumble edit IMAGE" if method.takes_image else "scumble generate"
        raise InputError(f"{method.method_name()} belongs to: {other} --method {method.method_name()}")
    return method


def default_method(words: Sequence[str]) -> str:
    """The method where none is named: with a map the one for maps; without, none that replaces the whole picture."""
    flags = {word.partition("=")[0] for word in words if word.startswith("-")}
    if flags & {"--map", "--mask", "--change-map", "--help", "--help-all", "-h"}:
        return "differential-diffusion"
    return "ddpm-inversion" if flags & {"--source-prompt", "--inversion"} else "sdedit"


def command_app(name: str, command: Callable[..., None], method: type[Method], without: Sequence[str] = ()) -> App:
    """The app of a command with the fields of a method as flags, but those ``without``."""
    app = App(name=f"scumble {name}", version_flags=[])
    app.default(with_fields(command, method, without, title=_title(method)))
    return app


def whole_panel(words: Sequence[str]) -> str | None:
    """Title of the panel of which ``--help`` shows all: where a method is named, that with its parameters."""
    return _title(method_class(method_of(words, ""))) if is_named(words) else None


def _title(method: Any) -> str:
    return f"Parameters of {method.method_name()}"


def acting(texts: Sequence[str]) -> list[Any]:
    """Read what acts besides the method."""
    if not texts:
        return []
    from scumble.methods.extras.parse import parse_also

    return [parse_also(text) for text in texts]
