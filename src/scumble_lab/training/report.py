"""`scumble train report`: measures what is bundled and writes the model cards and docs/bundled-models.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scumble_lab.training.figures import measure, rendering_speed
from scumble_lab.training.publish import FOLDERS
from scumble_lab.training.storage import disk_errors
from scumble_lab.training.training_record import Facts, Measured, read_facts, write_facts

__all__ = ["report"]

_AIMS: dict[str, dict[str, float]] = {
    "latent": {
        "psnr": 30, "shape": 0.90, "color": 0.95, "material": 0.85, "size": 0.85,
        "floor": 0.97, "sky": 0.97, "order": 0.85,
    },
    "clip": {"text_to_picture": 0.95, "picture_to_text": 0.95, "shape": 0.95, "color": 0.98, "material": 0.90},
    "classifier": {"shape": 0.98, "color": 0.98, "material": 0.98, "size": 0.98, "floor": 0.98, "sky": 0.98},
}  # fmt: skip
_AIMS["judge"] = _AIMS["clip"]

_ORDER = ("clip", "judge", "classifier", "latent", "fast", "instruct", "pixel")

_WHAT = {
    "latent": (
        "Sentences to pictures",
        "A plain `StableDiffusionPipeline`: autoencoder, text encoder, conditional U-Net (epsilon, scaled-linear "
        "schedule). Load with `StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)`.",
    ),
    "fast": (
        "Sentences to pictures in four steps",
        "A student of `still-life` with its guidance baked in: an ordinary DDIM model, made for 4 steps at the "
        "trailing levels 999, 749, 499, 249 and guidance 1. Its U-Net and scheduler are here; autoencoder, text "
        "encoder and tokenizer are those of `still-life`, named in `scumble.json`. In diffusers: "
        "`StableDiffusionPipeline.from_pretrained(folder, vae=…, text_encoder=…, tokenizer=…, safety_checker=None)`.",
    ),
    "instruct": (
        "Edits as they are asked for",
        "An instruction model in the format of `StableDiffusionInstructPix2PixPipeline`: a U-Net that sees the picture "
        "beside the noise, trained on pairs of the still-life world with their true edits. Its U-Net and scheduler are "
        "here; autoencoder, text encoder and tokenizer are those of `still-life`, named in `scumble.json`. In "
        "diffusers: `StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, vae=…, text_encoder=…, "
        "tokenizer=…, safety_checker=None)`.",
    ),
    "pixel": (
        "Pictures from noise, in pixels",
        "A plain `DDPMPipeline`: an unconditional `UNet2DModel` (v-prediction, linear schedule).",
    ),
    "clip": ("Pictures and sentences in one space", "A plain `CLIPModel` with tokenizer; guides and ranks."),
    "judge": (
        "The second CLIP, which only judges",
        "Trained apart from the first, from another seed and of another size, so that no guidance has seen it.",
    ),
    "classifier": (
        "Reads attributes",
        "Objects from left to right, floor and sky; trained on true renders only, never on what a model made. "
        "Load with `scumble_lab.bench.classifier.load_classifier()`.",
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
    "redrawn_shape": "shape still read, noised to half and drawn again",
    "redrawn_color": "colour, likewise",
    "redrawn_floor": "floor, likewise",
    "redrawn_sky": "sky, likewise",
    "instructed": "instructions followed, all kinds",
    "instructed_recolour": "recolour",
    "instructed_rematerial": "another material",
    "instructed_reshape": "another shape",
    "instructed_resize": "another size",
    "instructed_remove": "remove an object",
    "instructed_add": "add an object",
    "instructed_floor": "another floor",
    "instructed_sky": "another sky",
    "instructed_kept": "all else still reads as it shall",
    "drift": "change where nothing should change, grey levels of 255",
    "drift_in_map": "the same inside a change map",
    "recolour_sdedit": "recolouring succeeds, SDEdit at 0.75",
    "recolour_ddpm-inversion": "recolouring succeeds, edit-friendly inversion",
}


def report(bundled: Path, docs: Path, models: Sequence[str], count: int) -> Path:
    """Measure `models` on `count` unseen scenes each; rewrite all cards and the page from all figures so far.

    Raises:
        CheckpointError, OSError: if one of them is not published.
        ScumbleError: if the disk is full or cannot be written.
    """
    page = docs / "bundled-models.md"
    with disk_errors(page):
        for model in models:
            folder = bundled / FOLDERS[model]
            values = measure(model, bundled, count, docs / "figures")
            if known := read_facts(folder):
                write_facts(folder, known.model_copy(update={"measured": Measured(count=count, values=values)}))
        facts = {model: known for model, folder in FOLDERS.items() if (known := read_facts(bundled / folder))}
        for model, known in facts.items():
            (bundled / FOLDERS[model] / "README.md").write_text(_card(model, known))
        docs.mkdir(parents=True, exist_ok=True)
        page.write_text(_page(bundled, facts))
    return page


def _card(model: str, facts: Facts) -> str:
    title, text = _WHAT[model]
    lines = [f"# {title}", "", text, "", "## Training", "", *_data_lines(facts)]
    lines += ["", "| | seed | batch | steps | samples seen | minutes | held-out figures |", "|-|-|-|-|-|-|-|"]
    for run in facts.runs:
        figures = ", ".join(f"{key} {value:.3f}" for key, value in run.figures.items())
        lines.append(
            f"| {run.name}{', continued' * run.continues} | {run.seed} | {run.batch} | {run.steps:,} "
            f"| {run.samples:,} | {run.seconds / 60:.1f} | {figures} |"
        )
    lines += ["", "Again:", "", "```"]
    names = dict.fromkeys(run.name for run in facts.runs)
    lines += [f"scumble train {name} --size {facts.size} --out out/training" for name in names]
    lines += ["scumble train publish --out out/training", "```", ""]
    if facts.measured:
        lines += ["## Figures", "", *_table(model, facts.measured)]
    lines += ["", facts.remark] if facts.remark else []
    lines += ["", "Code and weights: Apache-2.0. The data are rendered by Scumble itself."]
    return "\n".join(lines) + "\n"


def _data_lines(facts: Facts) -> list[str]:
    return [
        f"Data: {facts.scenes:,} scenes of Scumble's still-life world, rendered at {facts.picture} px from seed 1 "
        f"(`scumble_lab.training.data`); the last {facts.held_out} are held out. Every fourth scene is its predecessor "
        f"with one attribute changed. Weights are exponential averages, stored in fp16.",
    ]


def _table(model: str, measured: Measured) -> list[str]:
    aims = _AIMS.get(model, {})
    lines = [f"On {measured.count} unseen scenes:", "", "| | measured | aim |", "|-|-|-|"]
    for key, value in measured.values.items():
        share = key not in ("psnr", "seconds", "drift", "drift_in_map")
        shown = f"{value:.1%}" if share else f"{value:.2f}"
        aim = aims.get(key)
        wanted = "" if aim is None else (f"{aim:.0%}" if share else f"{aim:g}")
        lines.append(f"| {_READ_AS.get(key, key)} | {shown} | {wanted} |")
    return lines


def _page(bundled: Path, facts: Mapping[str, Facts]) -> str:
    weights = sum(path.stat().st_size for path in bundled.rglob("*.safetensors")) / 1e6
    lines = [
        "# The bundled models",
        "",
        f"Written by `scumble train report`; {weights:.1f} MB of weights in all. Small real models, trained on the "
        "still-life world, in the plain diffusers and transformers formats.",
    ]
    for model, known in facts.items():
        title, text = _WHAT[model]
        lines += ["", f"## {title}: `{FOLDERS[model]}`", "", text, "", *_data_lines(known), ""]
        for run in known.runs:
            lines.append(
                f"- {run.name}{', continued' * run.continues}: {run.steps:,} steps of {run.batch} in "
                f"{run.seconds / 60:.1f} minutes, seed {run.seed}"
            )
        if known.measured:
            lines += ["", *_table(model, known.measured)]
        lines += ["", known.remark] if known.remark else []
        if model == "latent":
            lines += ["", *_method_lines(), "", "![unseen sentences](figures/still-life.png)"]
            lines += ["", "True pictures above, rebuilt by the autoencoder below:"]
            lines += ["", "![autoencoder](figures/autoencoder.png)"]
        if model == "pixel":
            lines += ["", "![from noise](figures/still-life-pixel.png)"]
    lines += ["", *_again_lines()]
    lines += ["", "## Renderer", "", "Pictures per second on the CPU (shared while measured):", ""]
    lines += [f"- {size} px: {speed:.0f}" for size, speed in rendering_speed().items()]
    return "\n".join(lines) + "\n"


def _again_lines() -> list[str]:
    return [
        "## Train them again",
        "",
        "In this order, since each stands on the ones before; every command continues after a kill with `--resume`.",
        "On one large GPU the same with `--size gpu`: 128 px, about half an hour in all. The last line: on a shared",
        "CPU two processes with one thread each get further than one process with two.",
        "",
        "<!-- not run: each trains for hours; tests of the training run them on tiny networks -->",
        "```bash",
        *(f"scumble train {name} --size cpu --out out/training" for name in ("vae", *_ORDER)),
        "scumble train publish --out out/training",
        "scumble train report",
        "OMP_NUM_THREADS=1 torchrun --standalone --nproc-per-node 2 -m scumble_lab.training latent --size cpu --resume",
        "```",
    ]


def _method_lines() -> list[str]:
    return [
        "Pictures for unseen scenes' sentences, 50 DDIM steps, guidance 5, read by the classifier. Every wanted "
        "object is matched with at most one that was read; a missing one counts as wrong in every attribute."
    ]
