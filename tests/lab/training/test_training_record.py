"""What is known of bundled weights lies with them, and a training that continues them says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scumble.errors import CheckpointError
from scumble_lab.training.loop import train
from scumble_lab.training.pixel import PixelTask
from scumble_lab.training.publish import FOLDERS, load_published, publish
from scumble_lab.training.report import report
from scumble_lab.training.run_folder import RunFolder
from scumble_lab.training.storage import latest_checkpoint
from scumble_lab.training.training_record import Facts, Measured, TrainingRun, read_facts, write_facts

RUN = TrainingRun(name="pixel", seed=5, batch=8, steps=10, samples=80, seconds=60.0, figures={"mse": 0.5})


def test_facts_come_back_as_written(tmp_path: Path) -> None:
    facts = Facts(
        size="cpu", picture=64, scenes=9, held_out=2, runs=(RUN,), measured=Measured(count=4, values={"psnr": 30.0})
    )
    write_facts(tmp_path, facts)
    assert read_facts(tmp_path) == facts
    assert [path.name for path in tmp_path.iterdir()] == ["training.json"]


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text('{"size": "cpu"')
    with pytest.raises(CheckpointError, match=r"training\.json"):
        read_facts(tmp_path)


def test_a_training_that_continues_published_weights_begins_there_and_says_so(shop: RunFolder, tmp_path: Path) -> None:
    world, schedule = shop.world(quiet=True), shop.size.pixel.schedule
    train(PixelTask(shop.size, world), schedule, shop.folder("pixel"), quiet=True)
    published = publish(shop, "pixel", tmp_path)

    task = PixelTask(shop.size, world)
    fresh = {key: value.clone() for key, value in task.unet.state_dict().items()}
    runs = load_published(task.modules(), "pixel", tmp_path)
    average = latest_checkpoint(shop.folder("pixel")).tensors("ema")  # type: ignore[union-attr]
    for key, value in task.unet.named_parameters():
        torch.testing.assert_close(value, average[f"unet.{key}"].half().float(), rtol=0, atol=0)
    assert any(not torch.equal(fresh[key], value) for key, value in task.unet.state_dict().items())

    again = RunFolder(tmp_path / "again", shop.size)
    train(task, schedule, again.folder("pixel"), quiet=True, before=[run.model_dump() for run in runs])
    publish(again, "pixel", tmp_path)
    facts = read_facts(published)
    assert facts is not None and [run.continues for run in facts.runs] == [False, True]
    report(tmp_path, tmp_path / "docs", [], count=1)
    assert "| pixel, continued |" in (tmp_path / FOLDERS["pixel"] / "README.md").read_text()


def test_weights_of_another_size_are_refused(shop: RunFolder, tmp_path: Path) -> None:
    world = shop.world(quiet=True)
    train(PixelTask(shop.size, world), shop.size.pixel.schedule, shop.folder("pixel"), quiet=True)
    publish(shop, "pixel", tmp_path)
    pixel = shop.size.pixel.model_copy(update={"channels": (8, 24)})
    other = PixelTask(shop.size.model_copy(update={"pixel": pixel}), world)
    with pytest.raises(CheckpointError, match="still-life-pixel"):
        load_published(other.modules(), "pixel", tmp_path)
