"""Trained weights as bundled folders: averaged, fp16, in the plain diffusers and transformers formats."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from diffusers import DDPMPipeline, StableDiffusionPipeline
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from scumble.errors import CheckpointError
from scumble.files import atomic_write
from scumble.models.loading.settings import FILE as SETTINGS
from scumble.models.loading.settings import Defaults, FolderSettings
from scumble_lab.bench.classifier import AttributeNet
from scumble_lab.training.clip import build_clip
from scumble_lab.training.config import ClipConfig
from scumble_lab.training.fast import STARTS, fast_scheduler
from scumble_lab.training.instruct import widened
from scumble_lab.training.latent import build_latent, latent_scheduler, text_encoder_of
from scumble_lab.training.latents import finished_vae
from scumble_lab.training.open_words import EMBEDDING, OpenWords
from scumble_lab.training.pixel import build_pixel, pixel_scheduler
from scumble_lab.training.run_folder import RunFolder, load_average
from scumble_lab.training.storage import Checkpoint, disk_errors
from scumble_lab.training.tokenizer import build_tokenizer
from scumble_lab.training.training_record import Facts, TrainingRun, read_facts, write_facts

__all__ = ["BUNDLED", "FOLDERS", "load_published", "publish"]

BUNDLED = Path(__file__).resolve().parents[2] / "scumble" / "bundled"

FOLDERS = {
    "latent": "still-life",
    "fast": "still-life-fast",
    "instruct": "still-life-instruct",
    "pixel": "still-life-pixel",
    "clip": "clip",
    "judge": "clip-judge",
    "classifier": "classifier",
}
"""Bundled folder of each model; the autoencoder goes with the latent U-Net."""


def publish(shop: RunFolder, model: str, target: Path = BUNDLED) -> Path:
    """Write the newest checkpoint of `model` (a key of FOLDERS) to `target`, file by file, each at once.

    Raises:
        CheckpointError: if there is no complete checkpoint of it or of what it stands on.
        ScumbleError: if the disk is full or cannot be written.
    """
    folder = target / FOLDERS[model]
    partial = target / f".partial-{FOLDERS[model]}"
    with disk_errors(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            _WRITERS[model](shop, partial)
            write_facts(partial, _facts(shop, model))
            for path in sorted(p for p in partial.rglob("*") if p.is_file()):
                final = folder / path.relative_to(partial)
                final.parent.mkdir(parents=True, exist_ok=True)
                path.chmod(0o644)
                path.replace(final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _facts(shop: RunFolder, model: str) -> Facts:
    runs: list[TrainingRun] = []
    for name in ("vae", "latent") if model == "latent" else (model,):
        state = shop.checkpoint(name).state
        before = [TrainingRun(**run) for run in state.get("before", ())]
        here = TrainingRun(
            name=name, seed=state["schedule"]["seed"], batch=state["schedule"]["batch"], steps=state["step"],
            samples=state["samples"], seconds=state["seconds"], figures=state["figures"], continues=bool(before),
        )  # fmt: skip
        runs += [*before, here]
    size = shop.size
    return Facts(size=size.name, picture=size.picture, scenes=size.scenes, held_out=size.held_out, runs=tuple(runs))


def _write_latent(shop: RunFolder, folder: Path) -> None:
    size, tokenizer = shop.size, build_tokenizer()
    vae = finished_vae(shop)
    clip = build_clip(size.clip, tokenizer, size.picture)
    text = text_encoder_of(clip)
    shrink = 2 ** (len(size.vae.channels) - 1)
    unet = build_latent(size.latent, size.picture // shrink, size.vae.latent_channels, size.clip.text_width)
    checkpoint = shop.checkpoint("latent")
    load_average(checkpoint, "unet", unet)
    load_average(checkpoint, "text_encoder", text)
    pipeline = StableDiffusionPipeline(
        vae=vae.cpu().half(),
        text_encoder=text.half(),
        tokenizer=tokenizer,
        unet=unet.half(),
        scheduler=latent_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    _load_as_float32(folder / "text_encoder")
    _write_vocabulary(folder / "tokenizer")


def _write_fast(shop: RunFolder, folder: Path) -> None:
    size = shop.size
    side = size.picture // 2 ** (len(size.vae.channels) - 1)
    unet = build_latent(size.latent, side, size.vae.latent_channels, size.clip.text_width)
    load_average(shop.checkpoint("fast"), "unet", unet)
    unet.half().save_pretrained(folder / "unet", safe_serialization=True)
    fast_scheduler().save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_bytes((BUNDLED / FOLDERS["latent"] / "model_index.json").read_bytes())
    _write_settings(folder, Defaults(num_inference_steps=len(STARTS), guidance_scale=1.0))


def _write_instruct(shop: RunFolder, folder: Path) -> None:
    size = shop.size
    side = size.picture // 2 ** (len(size.vae.channels) - 1)
    unet = widened(build_latent(size.latent, side, size.vae.latent_channels, size.clip.text_width))
    checkpoint = shop.checkpoint("instruct")
    load_average(checkpoint, "unet", unet)
    _write_open_words(checkpoint, folder.parent / FOLDERS["latent"] / "text_encoder" / "model.safetensors")
    unet.half().save_pretrained(folder / "unet", safe_serialization=True)
    latent_scheduler().save_pretrained(folder / "scheduler")
    index = json.loads((BUNDLED / FOLDERS["latent"] / "model_index.json").read_text())
    index["_class_name"] = "StableDiffusionInstructPix2PixPipeline"
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    defaults = Defaults(num_inference_steps=20, guidance_scale=5.0, image_guidance_scale=1.5)
    _write_settings(folder, defaults)


def _write_open_words(checkpoint: Checkpoint, path: Path) -> None:
    """Put learned embeddings of words that no caption holds into the shared text encoder; captions read as before."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, and the instruction model shares it: publish latent first")
    state = load_file(path)
    key = EMBEDDING if EMBEDDING in state else EMBEDDING.removeprefix("text_model.")
    words = OpenWords(state[key].float())
    load_average(checkpoint, "words", words)
    state[key] = words.full().detach().to(state[key].dtype)
    with atomic_write(path) as partial:
        save_file(state, partial, metadata={"format": "pt"})


def _write_settings(folder: Path, defaults: Defaults) -> None:
    """Default settings, and the parts that are the latent model's."""
    parts = dict.fromkeys(("vae", "text_encoder", "tokenizer"), FOLDERS["latent"])
    settings = FolderSettings(defaults=defaults, parts=parts)
    (folder / SETTINGS).write_text(settings.model_dump_json(exclude_none=True, indent=1) + "\n")


def _write_pixel(shop: RunFolder, folder: Path) -> None:
    unet = build_pixel(shop.size.pixel, shop.size.picture)
    load_average(shop.checkpoint("pixel"), "unet", unet)
    DDPMPipeline(unet=unet.half(), scheduler=pixel_scheduler(shop.size.pixel)).save_pretrained(
        folder, safe_serialization=True
    )


def _clip_writer(model: str) -> Callable[[RunFolder, Path], None]:
    def write(shop: RunFolder, folder: Path) -> None:
        config: ClipConfig = getattr(shop.size, model)
        tokenizer = build_tokenizer()
        clip = build_clip(config, tokenizer, shop.size.picture)
        load_average(shop.checkpoint(model), "clip", clip)
        clip.half().save_pretrained(folder, safe_serialization=True)
        _load_as_float32(folder)
        tokenizer.save_pretrained(folder)
        _write_vocabulary(folder)
        side = shop.size.picture
        preprocessing = {
            "image_processor_type": "CLIPImageProcessor",
            "do_resize": True,
            "size": {"shortest_edge": side},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": side, "width": side},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "do_convert_rgb": True,
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2) + "\n")

    return write


def _write_classifier(shop: RunFolder, folder: Path) -> None:
    config = {"channels": list(shop.size.classifier.channels), "picture": shop.size.picture}
    net: nn.Module = AttributeNet(shop.size.classifier.channels, shop.size.picture)
    load_average(shop.checkpoint("classifier"), "classifier", net)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tensors = {key: value.to(torch.float16).contiguous() for key, value in net.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _load_as_float32(folder: Path) -> None:
    """Weights stay fp16 on the disk; transformers would else load them so, and diffusers its own as float32."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for part in (config, *(value for value in config.values() if isinstance(value, dict))):
        if "dtype" in part:
            part["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2) + "\n")


def _write_vocabulary(folder: Path) -> None:
    """The two files that older readers of this tokenizer format look for."""
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n")


def load_published(networks: Mapping[str, nn.Module], model: str, bundled: Path) -> tuple[TrainingRun, ...]:
    """Start `networks` (the modules of a task) from published weights; those that are never published stay fresh.

    Gives the runs that made these weights.

    Raises:
        CheckpointError: if nothing is published, or it has another shape.
    """
    for name, network in networks.items():
        if (model, name) not in _WHERE:
            continue
        path = bundled / _WHERE[model, name]
        try:
            published = load_file(path)
            wanted = network.state_dict()
            network.load_state_dict({**wanted, **{key: published[key].float() for key in wanted if key in published}})
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{path} cannot be a start for this {name}: {error}") from error
        if missing := [key for key, _ in network.named_parameters() if key not in published]:
            raise CheckpointError(f"{path} is of another size: it has no {missing[0]}")
    facts = read_facts(bundled / FOLDERS["latent" if model == "vae" else model])
    return tuple(run for run in facts.runs if run.name == model) if facts else ()


_WHERE: dict[tuple[str, str], str] = {
    ("clip", "clip"): "clip/model.safetensors",
    ("judge", "clip"): "clip-judge/model.safetensors",
    ("classifier", "classifier"): "classifier/model.safetensors",
    ("latent", "unet"): "still-life/unet/diffusion_pytorch_model.safetensors",
    ("latent", "text_encoder"): "still-life/text_encoder/model.safetensors",
    ("fast", "unet"): "still-life-fast/unet/diffusion_pytorch_model.safetensors",
    ("instruct", "unet"): "still-life-instruct/unet/diffusion_pytorch_model.safetensors",
    ("vae", "vae"): "still-life/vae/diffusion_pytorch_model.safetensors",
    ("pixel", "unet"): "still-life-pixel/unet/diffusion_pytorch_model.safetensors",
}
"""File of every network of every task."""

_WRITERS: dict[str, Callable[[RunFolder, Path], None]] = {
    "latent": _write_latent,
    "fast": _write_fast,
    "instruct": _write_instruct,
    "pixel": _write_pixel,
    "clip": _clip_writer("clip"),
    "judge": _clip_writer("judge"),
    "classifier": _write_classifier,
}
