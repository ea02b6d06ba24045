"""`scumble train report`: measures what is bundled and writes the model cards and docs/bundled-models.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scumble.training.config import Schedule
from scumble.training.figures import measure, rendering_speed
from scumble.training.publish import FOLDERS
from scumble.training.storage import disk_errors, latest_checkpoint
from scumble.training.workshop import Workshop

__all__ = ["Trained", "report"]

_AIMS: dict[str, dict[str, float]] = {
    "latent": {
        "psnr": 30, "shape": 0.90, "color": 0.95, "material": 0.85, "size": 0.85,
        "floor": 0.97, "sky": 0.97, "order": 0.85,
    },
    "clip": {"text_to_picture": 0.95, "picture_to_text": 0.95, "shape": 0.95, "color": 0.98, "material": 0.90},
    "classifier": {"shape": 0.98, "color": 0.98, "material": 0.98, "size": 0.98, "floor": 0.98, "sky": 0.98},
}  # fmt: skip
_AIMS["judge"] = _AIMS["clip"]

_ORDER = ("clip", "judge", "classifier", "latent", "pixel")

_WHAT = {
    "latent": (
        "Sentences to pictures",
        "A plain `StableDiffusionPipeline`: autoencoder, text encoder, conditional U-Net (epsilon, scaled-linear "
        "schedule). Load with `StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)`.",
    ),
    "pixel": (
        "Pictures from noise, in pixels",
        "A plain `DDPMPipeline`: an unconditional `UNet2DModel` (epsilon, linear schedule).",
    ),
    "clip": ("Pictures and sentences in one space", "A plain `CLIPModel` with tokenizer; guides and ranks."),
    "judge": (
        "The second CLIP, which only judges",
        "Trained apart from the first, from another seed and of another size, so that no guidance has seen it.",
    ),
    "classifier": (
        "Reads attributes",
        "Objects from left to right, floor and sky; trained on true renders only, never on what a model made. "
        "Load with `scumble.evaluation.classifier.load_classifier()`.",
    ),
}

_READ_AS = {
    "psnr": "autoencoder PSNR, dB",
    "text_to_picture": "retrieval, sentence to picture",
    "picture_to_text": "retrieval, picture to sentence",
    "order": "left-right order of pairs",
    "count": "number of objects",
    "whole_object": "objects right in all four attributes",
    "seconds": "seconds per picture on this machine, shared",
    "sure": "classifier's mean certainty of shapes",
    "sure_of_renders": "the same on true renders",
}


@dataclass(frozen=True)
class Trained:
    """What one training used up."""

    name: str
    steps: int
    samples: int
    seconds: float
    schedule: Schedule
    losses: Mapping[str, float]


def report(shop: Workshop, bundled: Path, docs: Path, models: Sequence[str], count: int) -> Path:
    """Measure `models` on `count` unseen scenes each; rewrite all cards and the page from all figures so far.

    Raises:
        CheckpointError, OSError: if one of them is not published.
        ScumbleError: if the disk is full or cannot be written.
    """
    kept = shop.root / shop.size.name / "figures.json"
    figures: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for model in models:
        figures[model] = {"count": count, "values": measure(model, bundled, count, docs / "figures")}
    if models:
        figures["renderer"] = {"values": rendering_speed()}
    remarks = kept.with_name("remarks.json")  # written by hand: what figures do not say of these weights
    figures["remarks"] = json.loads(remarks.read_text()) if remarks.exists() else {}
    with disk_errors(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(figures, indent=1) + "\n")
    trained = {name: found for name in ("vae", *FOLDERS) if (found := _trained(shop, name))}
    page = docs / "bundled-models.md"
    with disk_errors(page):
        for model, folder in FOLDERS.items():
            if (bundled / folder).is_dir():
                (bundled / folder / "README.md").write_text(_card(shop, model, trained, figures))
        docs.mkdir(parents=True, exist_ok=True)
        page.write_text(_page(shop, bundled, trained, figures))
    return page


def _trained(shop: Workshop, name: str) -> Trained | None:
    checkpoint = latest_checkpoint(shop.folder(name))
    if checkpoint is None:
        return None
    state = checkpoint.state
    schedule = Schedule(**state["schedule"])
    return Trained(name, state["step"], state["samples"], state["seconds"], schedule, state["figures"])


def _parts(model: str) -> tuple[str, ...]:
    return ("vae", "latent") if model == "latent" else (model,)


def _card(shop: Workshop, model: str, trained: Mapping[str, Trained], figures: Mapping[str, Any]) -> str:
    title, text = _WHAT[model]
    runs = [trained[name] for name in _parts(model) if name in trained]
    lines = [f"# {title}", "", text, "", "## Training", ""]
    lines += _data_lines(shop)
    lines += ["", "| | seed | batch | steps | samples seen | minutes | held-out figures |", "|-|-|-|-|-|-|-|"]
    for run in runs:
        said = ", ".join(f"{key} {value:.3f}" for key, value in run.losses.items())
        lines.append(
            f"| {run.name} | {run.schedule.seed} | {run.schedule.batch} | {run.steps:,} | {run.samples:,} "
            f"| {run.seconds / 60:.1f} | {said} |"
        )
    lines += ["", "Again:", "", "```"]
    lines += [f"scumble train {run.name} --size {shop.size.name} --out out/training" for run in runs]
    lines += ["scumble train publish --out out/training", "```", ""]
    if model in figures:
        lines += ["## Figures", "", *_table(model, figures[model])]
    lines += _remark_lines(model, figures)
    lines += ["", "Code and weights: Apache-2.0. The data are rendered by Scumble itself."]
    return "\n".join(lines) + "\n"


def _data_lines(shop: Workshop) -> list[str]:
    size = shop.size
    return [
        f"Data: {size.scenes:,} scenes of Scumble's still-life world, rendered at {size.picture} px from seed 1 "
        f"(`scumble.training.data`); the last {size.held_out} are held out. Every fourth scene is its predecessor "
        f"with one attribute changed. Weights are exponential averages, stored in fp16.",
    ]


def _table(model: str, entry: Mapping[str, Any]) -> list[str]:
    aims = _AIMS.get(model, {})
    lines = [f"On {entry['count']} unseen scenes:", "", "| | measured | aim |", "|-|-|-|"]
    for key, value in entry["values"].items():
        share = key not in ("psnr", "seconds")
        shown = f"{value:.1%}" if share else f"{value:.2f}"
        aim = aims.get(key)
        wanted = "" if aim is None else (f"{aim:.0%}" if share else f"{aim:g}")
        lines.append(f"| {_READ_AS.get(key, key)} | {shown} | {wanted} |")
    return lines


def _page(shop: Workshop, bundled: Path, trained: Mapping[str, Trained], figures: Mapping[str, Any]) -> str:
    weights = sum(path.stat().st_size for path in bundled.rglob("*.safetensors")) / 1e6
    lines = [
        "# The bundled models",
        "",
        f"Written by `scumble train report`; size `{shop.size.name}`, {shop.size.picture} px, {weights:.1f} MB of "
        "weights in all. Small real models, trained on the still-life world, in the plain diffusers and "
        "transformers formats.",
        "",
        *_data_lines(shop),
    ]
    for model, folder in FOLDERS.items():
        if not (bundled / folder).is_dir():
            continue
        title, text = _WHAT[model]
        lines += ["", f"## {title}: `{folder}`", "", text, ""]
        for name in _parts(model):
            if run := trained.get(name):
                lines.append(
                    f"- {name}: {run.steps:,} steps of {run.schedule.batch} in {run.seconds / 60:.1f} minutes, "
                    f"seed {run.schedule.seed}"
                )
        if model in figures:
            lines += ["", *_table(model, figures[model])]
        lines += _remark_lines(model, figures)
        if model == "latent":
            lines += ["", *_method_lines(), "", "![unseen sentences](figures/still-life.png)"]
            lines += ["", "True pictures above, rebuilt by the autoencoder below:"]
            lines += ["", "![autoencoder](figures/autoencoder.png)"]
        if model == "pixel":
            lines += ["", "![from noise](figures/still-life-pixel.png)"]
    lines += ["", *_again_lines()]
    if "renderer" in figures:
        lines += ["", "## Renderer", "", "Pictures per second on the CPU (shared while measured):", ""]
        lines += [f"- {size} px: {speed:.0f}" for size, speed in figures["renderer"]["values"].items()]
    return "\n".join(lines) + "\n"


def _remark_lines(model: str, figures: Mapping[str, Any]) -> list[str]:
    remark = figures.get("remarks", {}).get(model)
    return ["", remark] if remark else []


def _again_lines() -> list[str]:
    return [
        "## Train them again",
        "",
        "In this order, since each stands on the ones before; every command continues after a kill with `--resume`:",
        "",
        "```",
        *(f"scumble train {name} --size cpu --out out/training" for name in ("vae", *_ORDER)),
        "scumble train publish --out out/training",
        "scumble train report --out out/training",
        "```",
        "",
        "On one large GPU the same with `--size gpu`: 128 px, about half an hour in all. On a shared CPU two",
        "processes with one thread each get further than one process with two:",
        "",
        "```",
        "OMP_NUM_THREADS=1 torchrun --standalone --nproc-per-node 2 -m scumble.training latent --size cpu --resume",
        "```",
    ]


def _method_lines() -> list[str]:
    return [
        "Pictures for unseen scenes' sentences, 50 DDIM steps, guidance 5, read by the classifier. Every wanted "
        "object is matched with at most one that was read; a missing one counts as wrong in every attribute."
    ]
