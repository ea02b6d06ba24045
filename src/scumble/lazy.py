"""Packages whose public names are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(package: str, where: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: Its ``__name__``.
        where: Public name -> ``module:attribute``, or a module that is the name's value.
    """

    def load(name: str) -> object:
        if name not in where:
            known = "" if name.startswith("__") else f"; public names: {', '.join(sorted(where))}"
            raise AttributeError(f"module {package!r} has no attribute {name!r}{known}")
        module, _, attribute = where[name].partition(":")
        loaded: object = importlib.import_module(module)
        if attribute:
            loaded = getattr(loaded, attribute)
        setattr(sys.modules[package], name, loaded)
        return loaded

    def names() -> list[str]:
        return sorted({*where, *vars(sys.modules[package])})

    return load, names
