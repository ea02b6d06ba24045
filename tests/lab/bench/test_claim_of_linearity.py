"""The words for how straight a curve is."""

from __future__ import annotations

import math

import pytest

from scumble_lab.bench.claims.hspace import _log_odds, bend, straight
from scumble_lab.bench.statistics import Mean


def test_a_line_does_not_bend_and_a_step_bends_to_its_side() -> None:
    assert bend(0.5, 1.0) == 0
    assert bend(-2.0, -4.0) == 0
    assert bend(0.0, 3.0) == 1
    assert bend(3.0, 3.0) == -1
    assert math.isnan(bend(1.0, 0.0))


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(-0.3, 0.3, "holds"), (-0.2, 0.5, "undecided"), (0.4, 0.9, "does not hold"), (-0.9, -0.4, "does not hold")],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low: float, high: float, word: str) -> None:
    assert straight(Mean((low + high) / 2, low, high, 8), "x")[0] == word
    assert straight(Mean((low + high) / 2, low, high, 1), "x")[0] == "undecided"


def test_log_odds_are_as_exact_near_one_as_near_zero() -> None:
    assert _log_odds({"sand": 1e-20, "snow": 1.0}, "sand") == pytest.approx(-20 * math.log(10))
    assert _log_odds({"sand": 1.0, "snow": 1e-20}, "sand") == pytest.approx(20 * math.log(10))
    assert _log_odds({"sand": 0.5, "snow": 0.25, "grass": 0.25}, "sand") == pytest.approx(0)
