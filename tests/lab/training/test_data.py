from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scumble.errors import InputError
from scumble_lab.bench.attributes import targets
from scumble_lab.training import data
from scumble_lab.training.data import World, draw_scenes, open_world
from scumble_lab.world import render


def opened(root: Path) -> World:
    return open_world(root, size=16, scenes=12, held_out=4)


def test_the_cache_holds_the_true_pictures(tmp_path: Path) -> None:
    world = opened(tmp_path)
    assert world.scenes == draw_scenes(12, seed=1)
    assert torch.equal(torch.from_numpy(np.array(world.pictures[:3])), render(world.scenes[:3], 16))
    assert world.unseen(9).shape == (4, 3, 16, 16)


def test_a_complete_cache_is_not_rendered_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(tmp_path)
    monkeypatch.setattr(data, "render", None)
    assert opened(tmp_path) is not None


@pytest.mark.parametrize("damage", ["cut", "no mark"])
def test_a_half_written_cache_is_rebuilt(tmp_path: Path, damage: str) -> None:
    opened(tmp_path)
    (folder,) = tmp_path.glob("scenes-*")
    pictures = folder / "pictures.npy"
    whole = pictures.read_bytes()
    if damage == "cut":
        pictures.write_bytes(whole[:-100])
    else:
        (folder / "complete.json").unlink()
    opened(tmp_path)
    assert pictures.read_bytes() == whole


def test_an_interrupted_build_leaves_no_cache(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        open_world(tmp_path, size=16, scenes=12, held_out=4, batch=4, on_progress=kill)
    assert list(tmp_path.iterdir()) == []


def test_all_scenes_held_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="held out"):
        open_world(tmp_path, size=16, scenes=4, held_out=4)


def test_twins_differ_in_exactly_one_word() -> None:
    scenes = draw_scenes(80, seed=9)
    for one, two in zip(scenes[2::4], scenes[3::4], strict=True):
        words = [(s.floor, s.sky, *((o.shape, o.color, o.material, o.size) for o in s.objects)) for s in (one, two)]
        flat = [np.concatenate([np.ravel(part) for part in entry]) for entry in words]
        assert (flat[0] != flat[1]).sum() == 1


def test_objects_are_told_from_left_to_right() -> None:
    true = targets(draw_scenes(60, seed=2))
    x = true["x"]
    assert (x[:, 1] > x[:, 0])[true["count"] >= 2].all()
    assert (true["shape"] >= 0).sum(1).equal(true["count"])
