"""A panorama shows scenes side by side, each as the picture of that scene alone."""

from __future__ import annotations

import numpy as np
import pytest

from scumble.errors import InputError
from scumble_lab.bench.wide import wide_panorama
from scumble_lab.world import render, sample_scene
from scumble_lab.world.panorama import owners, panorama, render_panorama


def test_the_middle_scene_of_a_panorama_looks_as_it_does_alone() -> None:
    middle = sample_scene(3, objects=1)
    fixed = {name: getattr(middle, name) for name in ("floor", "sky", "camera", "light", "floor_yaw")}
    left, right = (sample_scene(k, objects=1, **fixed) for k in (4, 5))
    wide = render_panorama(panorama([left, middle, right], middle))
    assert wide.shape == (3, 64, 192)
    alone = render([middle])[0]
    # A cylinder and a plane agree in the middle; towards the sides columns are shifted by up to 1.4 pixels.
    assert (wide[..., 88:104].float() - alone[..., 24:40].float()).abs().mean() < 3
    shown = owners(panorama([left, middle, right], middle))
    columns = [np.flatnonzero((shown == k).any(axis=0)).mean() // 64 for k in range(3)]
    assert columns == [0, 1, 2]


def test_a_taller_panorama_holds_the_lower_one_in_its_middle_rows() -> None:
    view = panorama([sample_scene(3, objects=1)] * 2)
    low, high = render_panorama(view), render_panorama(view, height=128)
    assert (high[:, 32:96].float() - low.float()).abs().max() <= 1


def test_scenes_of_other_cameras_are_no_panorama() -> None:
    with pytest.raises(InputError, match="share their camera"):
        panorama([sample_scene(3, objects=1), sample_scene(4, objects=1)])


def test_a_case_changes_nothing_outside_its_region() -> None:
    case = wide_panorama("recolour", 1, 0, 4, 64)
    assert case.source.size == (256, 64) and case.scene[2] - case.scene[0] == 64
    differs = np.abs(np.asarray(case.source, int) - np.asarray(case.target, int)).max(-1)
    assert differs.max() > 50 and differs[~case.region].max() <= 12
