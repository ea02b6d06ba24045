"""A method from its written parameters, with errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from scumble.errors import InputError
from scumble.methods.registry import method_class
from scumble.settings import explained

if TYPE_CHECKING:
    from scumble.methods.method import Method

__all__ = ["build_method"]


def build_method(name: str, parameters: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> Method:
    """Return the method ``name`` with these parameters and ``more``.

    Raises:
        InputError: One line that names the first field that does not fit, what was given and what is expected.
    """
    kind: Any = method_class(name)
    try:
        built: Method = kind.model_validate({**parameters, **(more or {})})
    except ValidationError as error:
        raise InputError(explained(error, list(kind.model_fields))) from error
    return built
