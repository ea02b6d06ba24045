"""How good the bundled models are: every figure measured on scenes that no training saw."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMPipeline, StableDiffusionPipeline
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel, CLIPTextModel, CLIPTokenizer

from scumble.models.loading.settings import read_settings
from scumble_lab.bench.attributes import OBJECT_HEADS, left_to_right, targets
from scumble_lab.bench.classifier import Classifier, Reading, ReadObject, load_classifier
from scumble_lab.training.classifier import accuracy
from scumble_lab.training.clip import retrieval, zero_shot
from scumble_lab.training.instruct_check import instructed
from scumble_lab.training.latent import decode, sample_latents
from scumble_lab.training.pixel import sample_pixels
from scumble_lab.training.publish import FOLDERS
from scumble_lab.training.recolor_check import recolouring
from scumble_lab.training.sheet import save_sheet
from scumble_lab.training.tokenizer import token_ids
from scumble_lab.training.vae import mean_psnr
from scumble_lab.world import Object, Scene, caption, render, sample_scene

__all__ = ["confirmed", "measure", "rendering_speed", "unseen_scenes"]

_SEED = "measured"  # training draws from whole-number seeds, so no scene is common


def unseen_scenes(count: int, objects: int | None = None) -> list[Scene]:
    """Scenes for measuring, with one or two objects unless said otherwise."""
    drawn = (random.Random(f"{_SEED}/{objects}/{i}") for i in range(count))
    return [sample_scene(rng, objects=objects or rng.choice((1, 2))) for rng in drawn]


def measure(model: str, bundled: Path, count: int, sheets: Path | None = None) -> dict[str, float]:
    """The figures of one published model (a key of FOLDERS) on `count` unseen scenes.

    Raises:
        CheckpointError, OSError: if the model is not published in `bundled`.
    """
    folder = bundled / FOLDERS[model]
    if model in ("clip", "judge"):
        return _measure_clip(folder, count)
    if model == "classifier":
        return _measure_classifier(load_classifier(folder), count)
    if model in ("latent", "fast"):
        return _measure_latent(folder, load_classifier(bundled / FOLDERS["classifier"]), count, sheets)
    if model == "instruct":
        return instructed(folder, load_classifier(bundled / FOLDERS["classifier"]), min(count, 32))
    return _measure_pixel(folder, load_classifier(bundled / FOLDERS["classifier"]), min(count, 64), sheets)


def confirmed(scenes: Sequence[Scene], readings: Sequence[Reading]) -> dict[str, float]:
    """Share of wanted objects whose attributes were read, of floors, skies, and of pairs in the right order.

    Every wanted object is matched with at most one that was read, so that most attributes agree; an
    object that is missing counts as wrong everywhere. `order` is right if the matched objects stand in
    the wanted order.
    """
    hits: dict[str, list[bool]] = {key: [] for key in (*OBJECT_HEADS, "whole_object", "order", "count")}
    for scene, reading in zip(scenes, readings, strict=True):
        wanted = [item for item, _ in left_to_right(scene)]
        places = _best_places(wanted, reading.objects)
        hits["count"].append(len(reading.objects) == len(wanted))
        for item, place in zip(wanted, places, strict=True):
            right = {
                key: place is not None and getattr(reading.objects[place], key) == getattr(item, key)
                for key in OBJECT_HEADS
            }
            for key, value in right.items():
                hits[key].append(value)
            hits["whole_object"].append(all(right.values()))
        if len(wanted) > 1:
            known = [place for place in places if place is not None]
            hits["order"].append(len(known) == len(wanted) and known == sorted(known))
    shares = {key: sum(values) / max(1, len(values)) for key, values in hits.items()}
    for key in ("floor", "sky"):
        right_ones = [getattr(s, key) == getattr(r, key) for s, r in zip(scenes, readings, strict=True)]
        shares[key] = sum(right_ones) / len(right_ones)
    return shares


def _best_places(wanted: Sequence[Object], read: Sequence[ReadObject]) -> tuple[int | None, ...]:
    room: list[int | None] = [*range(len(read)), *[None] * len(wanted)]

    def agreement(places: tuple[int | None, ...]) -> tuple[int, int]:
        pairs = [(item, read[place]) for item, place in zip(wanted, places, strict=True) if place is not None]
        same = sum(getattr(a, key) == getattr(b, key) for a, b in pairs for key in OBJECT_HEADS)
        return same, -sum(place is None for place in places)

    return max(permutations(room, len(wanted)), key=agreement)  # the first of equals: the wanted order


def _as_input(scenes: Sequence[Scene], size: int) -> Tensor:
    return render(scenes, size).float().div(127.5).sub(1.0)


def _measure_clip(folder: Path, count: int) -> dict[str, float]:
    clip = CLIPModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    side = clip.config.vision_config.image_size
    scenes, single = unseen_scenes(count), unseen_scenes(count, objects=1)
    by_text, by_picture = retrieval(clip, token_ids(tokenizer, [caption(s) for s in scenes]), _as_input(scenes, side))
    shares = zero_shot(clip, tokenizer, single, _as_input(single, side))
    return {"text_to_picture": by_text, "picture_to_text": by_picture, **shares}


def _measure_classifier(classifier: Classifier, count: int) -> dict[str, float]:
    scenes = unseen_scenes(count)
    return accuracy(classifier.logits(render(scenes, classifier.net.picture)), targets(scenes))


@torch.no_grad()
def _measure_latent(folder: Path, classifier: Classifier, count: int, sheets: Path | None) -> dict[str, float]:
    pipe, settings = _pipeline(folder), read_settings(folder, folder.name).values
    steps, guidance = settings.get("num_inference_steps", 50), settings.get("guidance_scale", 5.0)
    side = pipe.vae.config.sample_size
    scenes = unseen_scenes(count)
    true = _as_input(scenes, side)
    rebuilt = torch.cat([pipe.vae.decode(pipe.vae.encode(x).latent_dist.mean).sample for x in true.split(32)])
    decoded, began = [], time.monotonic()
    for start in range(0, count, 32):
        texts = [caption(scene) for scene in scenes[start : start + 32]]
        latents = sample_latents(
            pipe.unet, pipe.text_encoder, pipe.tokenizer, texts,
            steps=steps, guidance=guidance, seed=start, scheduler=pipe.scheduler,
        )  # fmt: skip
        decoded.append(decode(pipe.vae, latents))
    seconds = (time.monotonic() - began) / count
    pictures = torch.cat(decoded)
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        save_sheet(pictures[:32], sheets / f"{folder.name}.png")
        if folder.name == FOLDERS["latent"]:
            save_sheet(torch.cat([true[:8], rebuilt[:8]]), sheets / "autoencoder.png")
    edited = recolouring(folder, classifier, min(count, 48))
    return {"psnr": mean_psnr(rebuilt, true), **confirmed(scenes, classifier(pictures)), **edited, "seconds": seconds}


def _pipeline(folder: Path) -> Any:
    """The plain diffusers pipeline of a folder, with the parts that lie in its sibling."""
    settings = read_settings(folder, folder.name)
    classes: dict[str, Any] = {"vae": AutoencoderKL, "text_encoder": CLIPTextModel, "tokenizer": CLIPTokenizer}
    parts = {part: classes[part].from_pretrained(settings.place(folder, part)) for part in settings.parts}
    return StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, **parts)


@torch.no_grad()
def _measure_pixel(folder: Path, classifier: Classifier, count: int, sheets: Path | None) -> dict[str, float]:
    """How sure the classifier is of what was made from noise; and what survives noise of half the levels."""
    pipe: Any = DDPMPipeline.from_pretrained(folder)
    pictures = sample_pixels(pipe.unet, pipe.scheduler, count)
    scenes = unseen_scenes(count)
    true = _as_input(scenes, pipe.unet.config.sample_size)
    redrawn = confirmed(scenes, classifier(sample_pixels(pipe.unet, pipe.scheduler, count, start=true)))
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        save_sheet(pictures[:32], sheets / "still-life-pixel.png")
    return {
        "sure": _sureness(classifier(pictures)),
        "sure_of_renders": _sureness(classifier(true)),
        **{f"redrawn_{key}": redrawn[key] for key in ("shape", "color", "floor", "sky")},
    }


def _sureness(readings: Sequence[Reading]) -> float:
    """Mean probability of the best shape of every object, 0 for a picture without objects."""
    best = [max(item.probabilities["shape"].values()) for reading in readings for item in reading.objects]
    empty = sum(not reading.objects for reading in readings)
    return sum(best) / max(1, len(best) + empty)


def rendering_speed(sizes: Sequence[int] = (64, 128), count: int = 64) -> Mapping[int, float]:
    """Pictures per second at each size on this machine's CPU."""
    scenes = unseen_scenes(count)
    speeds = {}
    for size in sizes:
        render(scenes[:8], size)
        began = time.monotonic()
        render(scenes, size)
        speeds[size] = count / (time.monotonic() - began)
    return speeds
