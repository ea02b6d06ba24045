"""Wrong fields are one line of ours in Python too, whatever they are fields of."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import scumble
from scumble.errors import InputError, ScumbleError
from scumble.methods.extras.extras import ALSO, CustomEnergy
from scumble.methods.guidance.reference import Reference
from scumble.methods.registry import METHODS, method_class

FIELDS: dict[str, Callable[..., Any]] = {
    **{name: method_class(name) for name in sorted(METHODS)},
    **{f"also {name}": ALSO[name] for name in sorted(ALSO)},
    "custom energy": CustomEnergy,
    "inversion settings": scumble.InversionSettings,
    "recipe": scumble.Recipe,
    "reference": Reference,
    "request": scumble.Request,
    "view": scumble.View,
    "words": scumble.Words,
}
"""Everything that a user states in fields."""


def problem(make: Callable[[], Any]) -> str:
    """The one line that a wrong field is, with pydantic's error as its cause."""
    with pytest.raises(InputError) as caught:
        make()
    assert isinstance(caught.value.__cause__, ValidationError)
    text = str(caught.value)
    assert "\n" not in text and "pydantic" not in text and "http" not in text, text
    return text


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_unknown_and_wrong_fields_are_one_line_of_ours(name: str) -> None:
    kind: Any = FIELDS[name]
    needed = {key: "x" for key, field in kind.model_fields.items() if field.is_required()}
    assert "no_such_field" in problem(lambda: kind(no_such_field=1)) or needed
    for key in sorted(kind.model_fields):
        if "Any" not in str(kind.model_fields[key].annotation) and key != "map":
            text = problem(lambda key=key: kind(**{**needed, key: object()}))  # type: ignore[misc]
            assert len(text) < 400, text


def test_the_line_names_class_field_value_and_range() -> None:
    assert problem(lambda: scumble.SDEdit(strength=1.4)) == "SDEdit: strength must be at most 1, got 1.4"
    assert "did you mean strength" in problem(lambda: scumble.SDEdit(strenght=0.4))  # type: ignore[call-arg]
    assert problem(lambda: scumble.Request()) == "Request: method is missing"  # type: ignore[call-arg]
    long = problem(lambda: scumble.SDEdit(strength="x\n" * 5000))  # type: ignore[arg-type]
    assert len(long) < 200


def test_what_is_made_does_not_change_and_says_how_to_make_another() -> None:
    method = scumble.SDEdit(strength=0.4)
    with pytest.raises(InputError, match="model_copy"):
        method.strength = 0.5  # type: ignore[misc]
    assert method.strength == 0.4


def test_copies_and_pickles_of_settings_are_equal() -> None:
    method = scumble.SDEdit(prompt="a dog", strength=0.4)
    for other in (copy.deepcopy(method), pickle.loads(pickle.dumps(method)), method.model_copy()):
        assert other == method and other.model_fields_set == method.model_fields_set


def test_a_batch_says_what_is_wrong_with_each_request(tmp_path: Path) -> None:
    requests = [{"method": "sdedit", "image": "a.png", **wrong} for wrong in ({"strength": 7}, {"strenght": 0.7})]
    with pytest.raises(ScumbleError, match="strength must be at most 1, got 7") as caught:
        scumble.batch(requests, tmp_path / "out").check()
    assert "unknown field 'strenght'" in str(caught.value)
