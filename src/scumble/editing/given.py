"""Fields as callers give them, singly or together, read into a view, settings of an inversion, or a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from scumble.errors import InputError, first_problem, nearest
from scumble.inversion.settings import InversionSettings
from scumble.methods.base import Prompted
from scumble.methods.method import Method
from scumble.records.view import View

if TYPE_CHECKING:
    pass

__all__ = ["inversion_settings", "view_of", "without_guidance"]


def without_guidance(method: Method) -> tuple[Method, list[str]]:
    """Read a guidance of 0 with a prompt as 1, which it means on the cards of few-step models, and say so."""
    if not isinstance(method, Prompted) or method.guidance_scale != 0 or not method.prompt:
        return method, []
    notice = "guidance 0 was read as 1, that is no guidance: with 0 itself the prompt would have no effect"
    return method.model_copy(update={"guidance_scale": 1.0}), [notice]


def view_of(view: View | None, fields: Mapping[str, object]) -> View:
    """The view with single fields replaced.

    Raises:
        InputError: For a field that there is not, or a value out of its range.
    """
    stated = {} if view is None else view.model_dump()
    try:
        return View.model_validate({**stated, **fields})
    except ValidationError as error:
        name, reason = first_problem(error)
        hint = "" if name in View.model_fields else nearest(name, View.model_fields)
        raise InputError(f"{name} = {error.errors()[0]['input']!r}: {reason}{hint}") from error


def inversion_settings(settings: InversionSettings | None, fields: Mapping[str, object]) -> InversionSettings:
    """The settings with single fields replaced; ``method`` is the older name of ``kind``."""
    stated = {} if settings is None else settings.model_dump(exclude_unset=True)
    named = {"kind" if name == "method" else name: value for name, value in fields.items()}
    try:
        return InversionSettings.model_validate({**stated, **named})
    except ValidationError as error:
        name, reason = first_problem(error)
        hint = "" if name in InversionSettings.model_fields else nearest(name, InversionSettings.model_fields)
        raise InputError(f"inversion setting {name} = {error.errors()[0]['input']!r}: {reason}{hint}") from error
