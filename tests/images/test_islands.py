"""Regions far apart get windows each; regions that share one are edited together."""

from __future__ import annotations

import numpy as np

from scumble.images.islands import bounding_box, islands, merged
from scumble.images.region import region
from scumble.images.window import Box, Window


def _window(box: Box) -> Window:
    return region((4000, 3000), box, 8, 512)


def _map(*boxes: Box) -> np.ndarray:
    where = np.zeros((3000, 4000), bool)
    for left, top, right, bottom in boxes:
        where[top:bottom, left:right] = True
    return where


def test_boxes_are_exact_and_labels_cover_what_may_change() -> None:
    boxes = [(13, 21, 117, 99), (2003, 1, 2004, 2), (3001, 2001, 3999, 3000)]
    where = _map(*boxes)
    found, labels = islands(where)
    assert [one.box for one in found] == sorted(boxes, key=lambda box: (box[1], box[0]))
    assert np.array_equal(labels > 0, where)
    for one in found:
        assert bounding_box(np.isin(labels, one.labels)) == one.box


def test_near_regions_share_a_window_and_far_ones_do_not() -> None:
    near, _ = islands(_map((100, 100, 200, 200), (260, 100, 330, 200)))
    assert len(near) == 2 and len(merged(near, _window, 4)[0]) == 1
    far, _ = islands(_map((100, 100, 200, 200), (3600, 2600, 3700, 2700)))
    together, forced = merged(far, _window, 4)
    assert len(together) == 2 and not forced


def test_more_windows_than_allowed_are_put_together() -> None:
    regions, _ = islands(
        _map(*[(200 + 900 * k, 100 + 650 * j, 260 + 900 * k, 160 + 650 * j) for k in range(4) for j in range(4)])
    )
    assert len(regions) == 16
    together, forced = merged(regions, _window, 4)
    assert len(together) == 4 and forced
    assert sorted(label for one in together for label in one.labels) == list(range(1, 17))


def test_nothing_to_change_has_no_box() -> None:
    assert bounding_box(np.zeros((5, 5), bool)) is None
    assert islands(np.zeros((5, 5), bool))[0] == []
