"""The GPU size is the same code with other numbers: every one of its networks takes a step here too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scumble.cli.train_commands import vae
from scumble.errors import InputError
from scumble_lab.training.classifier import ClassifierTask
from scumble_lab.training.clip import ClipTask
from scumble_lab.training.config import SIZES, preset
from scumble_lab.training.latent import build_latent
from scumble_lab.training.loop import Draw, Task
from scumble_lab.training.pixel import PixelTask
from scumble_lab.training.run_folder import RunFolder
from scumble_lab.training.vae import VaeTask


@pytest.mark.parametrize("name", sorted(SIZES))
def test_every_network_of_a_size_takes_a_step(name: str, tmp_path: Path) -> None:
    size = preset(name).model_copy(update={"scenes": 12, "held_out": 4, "device": "cpu", "render_batch": 4})
    world = RunFolder(tmp_path, size).world(quiet=True)
    tasks: list[Task] = [
        VaeTask(size, world),
        ClipTask(size, size.clip, world),
        ClipTask(size, size.judge, world),
        ClassifierTask(size, world),
        PixelTask(size, world),
    ]
    for task in tasks:
        loss, _ = task.loss(Draw.of(1, 1, task.device), 6 if isinstance(task, ClipTask) else 2, 0.9)
        loss.backward()
        assert loss.isfinite()


@pytest.mark.parametrize("name", sorted(SIZES))
def test_the_latent_network_of_a_size_takes_a_step(name: str) -> None:
    size = preset(name)
    side = size.picture // 2 ** (len(size.vae.channels) - 1)
    unet = build_latent(size.latent, side, size.vae.latent_channels, size.clip.text_width)
    x, words = torch.randn(2, size.vae.latent_channels, side, side), torch.randn(2, 32, size.clip.text_width)
    made = unet(x, torch.tensor([10, 900]), words).sample
    made.square().mean().backward()
    assert made.shape == x.shape


def test_the_gpu_size_without_a_gpu_says_what_to_do(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(InputError, match="--size cpu"):
        vae(size="gpu", out=tmp_path)


def test_an_unknown_size_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="known are cpu, gpu"):
        preset("gpuu")
