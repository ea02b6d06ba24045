"""What a method reports: values of all candidates, and one for each."""

from __future__ import annotations

from scumble.methods.report import Report


def test_a_list_for_all_stays_a_list_and_a_list_of_each_is_dealt_out() -> None:
    report = Report()
    report.say(points=[1, 2], codec="vq")
    report.say_of_each(loss=[0.5, 0.25])
    assert report.of(0) == {"points": [1, 2], "codec": "vq", "loss": 0.5}
    assert report.of(1) == {"points": [1, 2], "codec": "vq", "loss": 0.25}
    assert list(report.of(1)) == ["points", "codec", "loss"]


def test_another_report_is_taken_over() -> None:
    first, second = Report(), Report()
    first.say(a=1)
    second.update(first)
    second.say(b=2)
    assert (first.of(0), second.of(0)) == ({"a": 1}, {"a": 1, "b": 2})
