"""The table of the Ray page: what a million pictures take, from stated assumptions, by the formula on that page."""

from __future__ import annotations

DAY = 86_400


def million_pictures(
    pictures: int,
    milliseconds_a_row: float,
    rows: int,
    milliseconds_of_codec: float,
    busy: float,
    megabytes: float,
    gpus: list[int],
) -> tuple[list[str], list[list[str]]]:
    """Time, results and megabytes a second for each number of GPUs."""
    seconds = (milliseconds_a_row * rows + milliseconds_of_codec) / 1000
    rates = [number * busy / seconds for number in gpus]
    return ["N", *map(str, gpus)], [
        ["time", *(span(pictures / rate) for rate in rates)],
        ["results a second", *(f"{rate:.2g}" if rate < 100 else f"{rate:.0f}" for rate in rates)],
        [f"MB a second, at {megabytes:g} MB a result", *(f"{rate * megabytes:.2g}" for rate in rates)],
    ]


def span(seconds: float) -> str:
    """Days, or hours below two days."""
    return f"{seconds / DAY:.1f} days" if seconds >= 2 * DAY else f"{seconds / 3600:.1f} h"
