"""Leave a network's forward as soon as what was wanted of it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from contextlib import AbstractContextManager, suppress
from typing import Literal, NoReturn

from torch import Tensor

from scumble.models.taps import Tap

__all__ = ["early_exit", "leave", "reading", "reading_until_complete"]


class _Leave(Exception):
    """Ends a forward from inside a hook."""


def leave() -> NoReturn:
    """End the network call that :func:`early_exit` surrounds; called by a tap or a hook."""
    raise _Leave


def early_exit() -> AbstractContextManager[None]:
    """Return a context manager around one network call that a tap may end by :func:`leave`."""
    return suppress(_Leave)


def reading(
    paths: Iterable[str], into: MutableMapping[str, Tensor], what: Literal["output", "probs"] = "output"
) -> list[Tap]:
    """Return taps that put activations into ``into`` by their path."""
    return [_reader(path, into, what, lambda: None) for path in paths]


def reading_until_complete(
    paths: Iterable[str], into: MutableMapping[str, Tensor], what: Literal["output", "probs"] = "output"
) -> list[Tap]:
    """As :func:`reading`; the network is left as soon as all have been read."""
    wanted = dict.fromkeys(paths)

    def check() -> None:
        if wanted.keys() <= into.keys():
            leave()

    return [_reader(path, into, what, check) for path in wanted]


def _reader(
    path: str, into: MutableMapping[str, Tensor], what: Literal["output", "probs"], after: Callable[[], None]
) -> Tap:
    def read(tensor: Tensor) -> None:
        into[path] = tensor
        after()

    return Tap(path, read, what)
