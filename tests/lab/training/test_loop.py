from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from scumble.errors import ScumbleError
from scumble_lab.training.config import Schedule, Size
from scumble_lab.training.loop import train
from scumble_lab.training.pixel import PixelTask
from scumble_lab.training.run_folder import RunFolder
from scumble_lab.training.storage import Checkpoint, latest_checkpoint
from scumble_lab.training.vae import VaeTask


def newest(folder: Path) -> Checkpoint:
    found = latest_checkpoint(folder)
    assert found is not None
    return found


def schedule(steps: int) -> Schedule:
    return Schedule(minutes=1, steps=steps, batch=4, learning_rate=1e-3, warmup=2, decay_from=1.0, seed=5)


def test_a_resumed_run_equals_an_uninterrupted_one(shop: RunFolder, tmp_path: Path) -> None:
    world = shop.world(quiet=True)
    train(PixelTask(shop.size, world), schedule(8), tmp_path / "whole", quiet=True)
    train(PixelTask(shop.size, world), schedule(5), tmp_path / "parts", quiet=True)
    at = train(PixelTask(shop.size, world), schedule(8), tmp_path / "parts", resume=True, quiet=True)
    assert (at.step, at.samples) == (8, 32)
    for group in ("weights", "ema", "optimizer"):
        whole, parts = (newest(tmp_path / name).tensors(group) for name in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        for name, tensor in whole.items():
            assert torch.equal(tensor, parts[name]), name


def test_resuming_goes_back_to_the_last_complete_checkpoint_and_drops_later_log_lines(
    shop: RunFolder, tmp_path: Path
) -> None:
    world, out = shop.world(quiet=True), tmp_path / "run"
    train(PixelTask(shop.size, world), schedule(3), out, quiet=True)
    train(PixelTask(shop.size, world), schedule(6), out, resume=True, quiet=True)
    broken = out / "step-00000006" / "ema.safetensors"
    broken.write_bytes(broken.read_bytes()[:100])
    train(PixelTask(shop.size, world), schedule(6), out, resume=True, quiet=True)
    assert newest(out).state["step"] == 6
    with (out / "log.csv").open() as file:
        assert [row[0] for row in csv.reader(file)] == ["step", "3", "6"]


def test_a_checkpoint_of_another_model_is_refused(shop: RunFolder, tmp_path: Path) -> None:
    world = shop.world(quiet=True)
    train(PixelTask(shop.size, world), schedule(1), tmp_path / "run", quiet=True)
    with pytest.raises(ScumbleError, match="another model or size"):
        train(VaeTask(shop.size, world), schedule(2), tmp_path / "run", resume=True, quiet=True)


def test_training_lowers_the_loss(tiny: Size, shop: RunFolder, tmp_path: Path) -> None:
    world = shop.world(quiet=True)
    untrained, trained = VaeTask(tiny, world), VaeTask(tiny, world)
    train(trained, Schedule(minutes=1, steps=60, batch=4, learning_rate=4e-3, seed=1, ema=0.5), tmp_path / "vae")
    figures = newest(tmp_path / "vae").state["figures"]
    with torch.no_grad():
        assert figures["psnr"] > untrained.validate()["psnr"] + 1.0
