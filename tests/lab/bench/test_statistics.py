"""Means and their intervals."""

from __future__ import annotations

import math

import numpy as np

from scumble_lab.bench.claims.base import all_of, judged
from scumble_lab.bench.statistics import mean_of, paired


def test_what_is_no_number_is_left_out_and_counted() -> None:
    mean = mean_of([1.0, math.nan, 3.0, math.inf])
    assert (mean.value, mean.count, mean.undefined) == (2.0, 2, 2)
    assert mean_of([math.nan]).text() == "–" and mean_of([]).count == 0


def test_intervals_hold_the_mean_and_are_the_same_every_time() -> None:
    values = np.random.default_rng(1).normal(5, 1, 50).tolist()
    mean = mean_of(values)
    assert mean.low < mean.value < mean.high
    assert mean == mean_of(values)


def test_a_bootstrap_interval_is_as_wide_as_the_standard_error_says() -> None:
    values = np.random.default_rng(2).normal(0, 1, 400)
    mean = mean_of(values.tolist())
    assert 0.8 < (mean.high - mean.low) / (2 * 1.96 * values.std() / 20) < 1.2


def test_differences_are_taken_case_by_case() -> None:
    base = np.random.default_rng(3).normal(0, 10, 30)
    gain = paired((base + 1).tolist(), base.tolist())
    assert gain.value == 1 or abs(gain.value - 1) < 1e-9
    assert gain.high - gain.low < 1e-9


def test_verdicts_follow_the_interval() -> None:
    assert judged(mean_of([1, 1.1, 0.9, 1.2]), "x")[0] == "holds"
    assert judged(mean_of([-1, -1.1, -0.9]), "x")[0] == "does not hold"
    assert judged(mean_of([-1, 1, -1, 1]), "x")[0] == "undecided"
    assert judged(mean_of([0, 0, 0, 0]), "x")[0] == "undecided"  # all alike: as where all succeed
    assert judged(mean_of([1]), "x")[0] == "undecided"
    assert judged(mean_of([]), "x")[0] == "cannot be checked here"


def test_a_claim_of_several_parts_holds_with_all_and_fails_with_one() -> None:
    assert all_of(["holds", "holds"]) == "holds"
    assert all_of(["holds", "undecided"]) == "undecided"
    assert all_of(["undecided", "does not hold", "holds"]) == "does not hold"
    assert all_of(["undecided", "cannot be checked here"]) == "cannot be checked here"
