"""What is held back until a page is shown happens once, in order, and at once afterwards."""

from __future__ import annotations

import threading

from scumble.studio import opening as module
from scumble.studio.opening import Opening


def test_what_is_held_back_happens_once_and_what_comes_later_at_once(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(module, "SHOWN", 0.0)
    opening, done, shown = Opening(), list[int](), threading.Event()
    for number in (1, 2):
        opening.after(lambda number=number: done.append(number))  # type: ignore[misc]
    opening.after(shown.set)
    assert done == []
    opening.asked()
    assert shown.wait(60) and done == [1, 2]
    opening.asked()
    opening.done()
    opening.after(lambda: done.append(3))
    assert done == [1, 2, 3]
