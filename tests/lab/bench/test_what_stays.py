"""Beside a direction only what stays is said."""

from __future__ import annotations

import pytest

from scumble_lab.bench.tasks import draw
from scumble_lab.bench.what_stays import what_stays


@pytest.mark.parametrize("task", ["floor", "sky", "recolour", "rematerial"])
def test_the_old_value_is_not_said_and_everything_else_is(task: str) -> None:
    said = 0
    for number in range(8):
        sample = draw(task, number, 31)
        old, told = sample.case.source_prompt.split(), what_stays(sample).split()
        articles = ("a", "an")
        gone = [word for word in old if old.count(word) > told.count(word) and word not in articles]
        assert set(told) <= {*old, *articles}
        assert len([word for word in told if word in articles]) >= len([word for word in old if word in articles]) - 1
        if task in ("floor", "sky"):
            assert gone
        else:  # matte is not said, so that nothing goes
            assert gone == [sample.case.old_word] or (sample.case.old_word == "matte" and not gone)
        said += bool(gone)
    assert said


def test_an_article_fits_the_word_that_follows() -> None:
    sample = next(s for s in (draw("recolour", k, 7) for k in range(40)) if s.case.old_word == "orange")
    told = what_stays(sample)
    assert " an large" not in f" {told}" and " an small" not in f" {told}" and "orange" not in told


def test_of_other_tasks_everything_is_said() -> None:
    sample = draw("reshape", 0, 7)
    assert what_stays(sample) == sample.case.source_prompt
