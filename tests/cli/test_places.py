"""``--at`` and ``--also-words``: what they become, and one line for every mistake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scumble.cli import main
from scumble.cli.flags import build_method
from scumble.cli.places import with_places
from scumble.errors import InputError
from scumble.methods.registry import method_class


def built(at: list[tuple[str, str]], also_words: list[str], name: str = "sdedit") -> Any:
    kind: Any = method_class(name)
    return build_method(kind, with_places(kind, {"prompt": "a meadow"}, at, also_words))


def test_places_and_signs_become_placed_words() -> None:
    method = built([("words:sky", "a sunset sky"), ("0.5", "fog")], ["sunset:+6", "a cloud: white:-4"])
    stated = [(one.text, one.map, one.weight, one.mode) for one in method.placed_words]
    assert method.prompt == "a meadow" and stated == [
        ("a sunset sky", "words:sky", 1.0, "blend"),
        ("fog", 0.5, 1.0, "blend"),
        ("sunset", None, 6.0, "add"),
        ("a cloud: white", None, -4.0, "add"),
    ]


def test_they_are_added_to_words_given_as_json() -> None:
    kind: Any = method_class("sdedit")
    first = json.dumps({"text": "rain", "weight": 2, "mode": "add"})
    method = build_method(kind, with_places(kind, {"placed_words": (first,)}, [], ["sunset:6"]))
    assert [one.text for one in method.placed_words] == ["rain", "sunset"]


@pytest.mark.parametrize("written", ["sunset", "sunset:", ":6", "sunset:high", "sunset:nan"])
def test_a_scale_that_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(InputError, match="expected words and a scale"):
        built([], [written])


@pytest.mark.parametrize("name", ["asyrp", "prompt-to-prompt", "pix2pix-zero", "drag-diffusion"])
def test_methods_without_places_refuse_the_flags(name: str) -> None:
    with pytest.raises(InputError, match="takes one prompt for the whole image"):
        built([("0.5", "fog")], [], name)


def test_a_number_that_is_no_share_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["generate", "--prompt", "a", "--at", "1.5", "b", "-o", "never.png"])
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "from 0 to 1, got 1.5" in message
