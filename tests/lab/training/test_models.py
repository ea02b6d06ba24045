"""Every model trains for a few steps, in the order in which they stand on each other."""

from __future__ import annotations

import csv

import torch

from scumble_lab.training.classifier import ClassifierTask
from scumble_lab.training.clip import ClipTask
from scumble_lab.training.fast import FastTask
from scumble_lab.training.instruct import InstructTask
from scumble_lab.training.latent import LatentTask
from scumble_lab.training.loop import Task, train
from scumble_lab.training.pixel import PixelTask
from scumble_lab.training.run_folder import RunFolder
from scumble_lab.training.vae import VaeTask, whiten


def run(shop: RunFolder, name: str, task: Task) -> None:
    schedule = getattr(shop.size, name).schedule
    at = train(task, schedule, shop.folder(name), quiet=True)
    assert at.step == schedule.steps
    assert (shop.folder(name) / "sheet.png").exists()
    with (shop.folder(name) / "log.csv").open() as file:
        assert len(list(csv.reader(file))) >= 2


def test_all_models_train_in_order(shop: RunFolder) -> None:
    world = shop.world(quiet=True)
    run(shop, "vae", VaeTask(shop.size, world))
    run(shop, "clip", ClipTask(shop.size, shop.size.clip, world))
    run(shop, "classifier", ClassifierTask(shop.size, world))
    run(shop, "latent", LatentTask(shop))
    run(shop, "fast", FastTask(shop))
    run(shop, "instruct", InstructTask(shop))
    run(shop, "pixel", PixelTask(shop.size, world))
    for model in ("vae", "clip", "classifier", "latent", "fast", "instruct", "pixel"):
        assert shop.checkpoint(model).state["step"] > 0


def test_whitening_evens_the_channels_and_changes_no_picture(shop: RunFolder) -> None:
    world = shop.world(quiet=True)
    vae = VaeTask(shop.size, world).vae.eval()
    x = world.unseen(8)
    with torch.no_grad():
        before = vae(x).sample
        whiten(vae, x)
        latents = vae.encode(x).latent_dist.mean * vae.config.scaling_factor
        after = vae(x).sample
    assert torch.allclose(before, after, atol=1e-3)
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(4), atol=1e-3)
    assert latents.mean((0, 2, 3)).abs().max() < 1e-3
