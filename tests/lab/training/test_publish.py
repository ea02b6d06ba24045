"""What is published loads in plain diffusers and transformers, in half precision, without classes of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMPipeline, StableDiffusionPipeline
from transformers import AutoTokenizer, CLIPModel

from scumble.models.loading import load
from scumble_lab.bench.classifier import load_classifier
from scumble_lab.training.classifier import ClassifierTask
from scumble_lab.training.clip import ClipTask
from scumble_lab.training.fast import FastTask
from scumble_lab.training.instruct import InstructTask
from scumble_lab.training.latent import LatentTask
from scumble_lab.training.loop import train
from scumble_lab.training.pixel import PixelTask
from scumble_lab.training.publish import publish
from scumble_lab.training.report import report
from scumble_lab.training.run_folder import RunFolder
from scumble_lab.training.vae import VaeTask


def test_published_models_load_in_plain_pipelines_and_get_their_cards(shop: RunFolder, tmp_path: Path) -> None:
    size, world = shop.size, shop.world(quiet=True)
    train(VaeTask(size, world), size.vae.schedule, shop.folder("vae"), quiet=True)
    train(ClipTask(size, size.clip, world), size.clip.schedule, shop.folder("clip"), quiet=True)
    train(ClassifierTask(size, world), size.classifier.schedule, shop.folder("classifier"), quiet=True)
    train(LatentTask(shop), size.latent.schedule, shop.folder("latent"), quiet=True)
    train(FastTask(shop), size.fast.schedule, shop.folder("fast"), quiet=True)
    train(InstructTask(shop), size.instruct.schedule, shop.folder("instruct"), quiet=True)
    train(PixelTask(size, world), size.pixel.schedule, shop.folder("pixel"), quiet=True)
    bundled = tmp_path / "bundled"
    folders = {
        model: publish(shop, model, bundled) for model in ("latent", "fast", "instruct", "pixel", "clip", "classifier")
    }
    assert not list(bundled.glob(".partial*"))
    assert {p.suffix for p in bundled.rglob("*") if p.is_file()} <= {".json", ".safetensors", ".txt"}

    latent = StableDiffusionPipeline.from_pretrained(folders["latent"], safety_checker=None)
    latent.set_progress_bar_config(disable=True)
    picture = latent("a red cube", num_inference_steps=2, output_type="np").images
    assert picture.shape == (1, 32, 32, 3) and np.isfinite(picture).all()

    student = load(folders["fast"])
    assert student.defaults == {"num_inference_steps": 4, "guidance_scale": 1.0}
    assert [level.t for level in student.schedule.levels(4)] == [999, 749, 499, 249, 0]
    assert not (folders["fast"] / "vae").exists()

    instructed = load(folders["instruct"])
    assert (instructed.channels, instructed.picture_channels) == (4, 4)
    assert not (folders["instruct"] / "text_encoder").exists()

    pixel = DDPMPipeline.from_pretrained(folders["pixel"])
    pixel.set_progress_bar_config(disable=True)
    assert pixel(num_inference_steps=2, output_type="np").images.shape == (1, 32, 32, 3)

    clip, tokenizer = (
        CLIPModel.from_pretrained(folders["clip"]),
        AutoTokenizer.from_pretrained(folders["clip"]),
    )
    words = tokenizer(["a red cube"], padding="max_length", return_tensors="pt")
    out = clip(**words, pixel_values=torch.zeros(1, 3, 32, 32))
    assert out.logits_per_image.shape == (1, 1)

    docs = tmp_path / "docs"
    page = report(bundled, docs, ["latent", "clip"], count=4).read_text()
    assert "autoencoder PSNR" in page and (docs / "figures" / "still-life.png").exists()
    card = (folders["latent"] / "README.md").read_text()
    assert "samples seen" in card and "scumble train latent --size cpu" in card

    readings = load_classifier(folders["classifier"])(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert len(readings) == 2
