"""What the README and the first page say of the package, where no test of behaviour would notice that it went stale."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from scumble.cli.demo import PROMPT, SCENE, SEED
from scumble.methods.base import Sampled
from scumble.methods.method import Method
from scumble.methods.registry import method_class, method_names
from tests.docs.pages import ROOT

TENS = {"twenty": 20, "thirty": 30}
ONES = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
NUMBER = re.compile(rf"\b({'|'.join(TENS)})(?:-({'|'.join(ONES)}))? (?:of them\b|methods\b)")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_as_many_methods_as_are_said_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8").replace("[", "").lower()
    said = [TENS[tens] + ONES.get(ones, 0) for tens, ones in NUMBER.findall(text)]
    assert said and set(said) == {len(method_names())}


def test_the_first_commands_make_the_picture_above_them() -> None:
    """The README's three commands are the demo's scene, words and seed."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"under the words “{PROMPT}”" in text
    assert f"scumble world render scenes --seed {SCENE} --count 1" in text
    assert f'--prompt "{PROMPT}" --seed {SEED} ' in text


@pytest.mark.parametrize("page", ["docs/questions.md", "CHANGELOG.md"])
def test_as_many_methods_take_words_with_a_place_as_are_said(page: str) -> None:
    said = re.findall(r"in (\w+) methods\.", (ROOT / page).read_text(encoding="utf-8"))
    assert said and {ONES[word] for word in said} == {
        len([name for name in method_names() if _placed(method_class(name))])
    }


def test_the_samplers_of_the_answer_are_those_that_there_are() -> None:
    (line,) = (
        one for one in (ROOT / "docs/questions.md").read_text("utf-8").splitlines() if one.startswith("`--solver")
    )
    said = set(re.findall(r"`(?:--solver )?([a-z0-9_-]+)`", line.partition(", each as")[0]))
    assert said == set(get_args(Sampled.model_fields["solver"].annotation))


def _placed(method: type[Method]) -> bool:
    return method.takes_places
