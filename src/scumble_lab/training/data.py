"""The pictures trained on: scenes rendered once into a memory-mapped file, checked before every use."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scumble.errors import InputError
from scumble_lab.training.storage import disk_errors
from scumble_lab.world import COLORS, FLOORS, MATERIALS, SHAPES, SKIES, Scene, render, sample_scene

__all__ = ["World", "open_world", "twin"]

_MARK = "complete.json"
_LAYOUT = 1  # raise when what the cache holds changes


@dataclass(frozen=True)
class World:
    """Rendered scenes; the last `held_out` of them are for measuring only."""

    pictures: np.memmap[Any, np.dtype[np.uint8]]  # (N, 3, size, size)
    scenes: Sequence[Scene]
    held_out: int

    @property
    def trained(self) -> int:
        """How many scenes may be trained on; they come first."""
        return len(self.scenes) - self.held_out

    def batch(self, index: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """The pictures at `index` (B,) as (B, 3, size, size) in [-1, 1]."""
        data = torch.from_numpy(self.pictures[index.cpu().numpy()]).to(device)
        return data.float().div_(127.5).sub_(1.0).contiguous(memory_format=torch.channels_last)

    def unseen(self, count: int, device: torch.device | str = "cpu") -> Tensor:
        """The first `count` held-out pictures as (B, 3, size, size) in [-1, 1]."""
        return self.batch(torch.arange(self.trained, min(self.trained + count, len(self.scenes))), device)


def open_world(
    root: Path,
    *,
    size: int,
    scenes: int,
    held_out: int,
    seed: int = 1,
    device: str = "cpu",
    batch: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
) -> World:
    """Open the cache for these figures under `root`; render it first if it is missing or half-written.

    Raises:
        InputError: if nothing would be left to train on.
        ScumbleError: if the disk is full or cannot be written.
    """
    if not 0 < held_out < scenes:
        raise InputError(f"{held_out} of {scenes} scenes held out: at least one is needed on either side")
    key = {"layout": _LAYOUT, "size": size, "scenes": scenes, "seed": seed}
    folder = root / f"scenes-{size}px-{scenes}-seed{seed}"
    if not _is_complete(folder, key):
        _build(folder, key, device, batch, on_progress)
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    with (folder / "scenes.jsonl").open() as lines:
        return World(pictures, [Scene.from_dict(json.loads(line)) for line in lines], held_out)


def draw_scenes(count: int, seed: int) -> list[Scene]:
    """`count` scenes; every fourth is its predecessor with one word changed: a picture as hard negative."""
    scenes: list[Scene] = []
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        scenes.append(twin(scenes[-1], rng) if number % 4 == 3 else sample_scene(rng))
    return scenes


def twin(scene: Scene, rng: random.Random) -> Scene:
    """The same scene with one attribute of one object, or its floor or sky, drawn anew and different."""
    while True:
        kind = rng.choice(("shape", "shape", "material", "material", "color", "size", "floor", "sky"))
        try:
            if kind == "floor":
                return changed(scene, floor=_other(FLOORS, scene.floor, rng))
            if kind == "sky":
                return changed(scene, sky=_other(SKIES, scene.sky, rng))
            number = rng.randrange(len(scene.objects))
            item = scene.objects[number]
            if kind == "size":
                item = changed(item, size="large" if item.size == "small" else "small")
            elif kind == "shape":
                item = changed(item, shape=_other(SHAPES, item.shape, rng))
            elif kind == "material":
                item = changed(item, material=_other(MATERIALS, item.material, rng))
            else:
                item = changed(item, color=_other(tuple(COLORS), item.color, rng))
            return changed(scene, objects=(*scene.objects[:number], item, *scene.objects[number + 1 :]))
        except InputError:  # the changed object would overlap another or leave the picture
            continue


def _other(words: Sequence[str], present: str, rng: random.Random) -> str:
    return rng.choice([word for word in words if word != present])


def _is_complete(folder: Path, key: dict[str, int]) -> bool:
    try:
        mark = json.loads((folder / _MARK).read_text())
        return bool(
            mark["key"] == key and all((folder / name).stat().st_size == size for name, size in mark["bytes"].items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _build(
    folder: Path, key: dict[str, int], device: str, batch: int, on_progress: Callable[[int, int], None] | None
) -> None:
    """Write beside and move into place, the mark last."""
    count, size = key["scenes"], key["size"]
    partial = folder.with_name(f".partial-{folder.name}-{os.getpid()}")
    with disk_errors(folder):
        try:
            partial.mkdir(parents=True, exist_ok=True)
            scenes = draw_scenes(count, key["seed"])
            with (partial / "scenes.jsonl").open("w") as lines:
                lines.writelines(json.dumps(scene.to_dict()) + "\n" for scene in scenes)
            room = np.lib.format.open_memmap(
                partial / "pictures.npy", mode="w+", dtype=np.uint8, shape=(count, 3, size, size)
            )
            for start in range(0, count, batch):
                room[start : start + batch] = render(scenes[start : start + batch], size, device=device).cpu().numpy()
                if on_progress:
                    on_progress(min(start + batch, count), count)
            room.flush()
            del room
            sizes = {name: (partial / name).stat().st_size for name in ("pictures.npy", "scenes.jsonl")}
            (partial / _MARK).write_text(json.dumps({"key": key, "bytes": sizes}))
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
