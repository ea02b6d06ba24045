"""Edits of the noise alone on eight pictures with known truth: shift, flip and colour of an edit-friendly inversion.

``python -m benchmarks noise_edits`` for all, ``python -m benchmarks.noise_edits shift [SHEET.png]`` for one. The cases
are recolour tasks of benchmark seed 303; defaults were chosen on other scenes.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps

from scumble import DDPMInversion
from scumble.editing.editor import Editor
from scumble_lab.bench.case import Sample
from scumble_lab.bench.classifier import load_classifier
from scumble_lab.bench.metrics import geometry, pixels
from scumble_lab.bench.metrics.success import kept_share, succeeded
from scumble_lab.bench.tasks import draw
from scumble_lab.world import truths

COUNT, SEED, STEPS, WAY = 8, 303, 25, 12


class Bench:
    """The cases, and the model that edits them from their inversions."""

    def __init__(self) -> None:
        self.editor = Editor.from_pretrained()
        self.samples = [draw("recolour", k, SEED) for k in range(COUNT)]
        self.sheet: list[list[Image.Image]] = []

    def edited(self, sample: Sample, *edits: DDPMInversion) -> list[Image.Image]:
        said = {"prompt": sample.case.source_prompt, "num_inference_steps": STEPS, "seed": 0, "measured": False}
        inversion = self.editor.invert(sample.source, **said)  # type: ignore[arg-type]
        made = [self.editor.edit(None, edit, inversion=inversion, seed=0).image for edit in edits]
        self.sheet.append([sample.source, *made])
        return made


def item_mask(sample: Sample) -> npt.NDArray[np.bool_]:
    """Where the edited object is in the source."""
    scene = sample.case.scene_before
    assert scene is not None
    assert sample.case.item is not None
    return np.asarray(truths(scene, sample.source.height).masks[sample.case.item], dtype=bool)


def shift(bench: Bench) -> None:
    """How far the object is from where it was asked to go, of a way of 12 pixels."""
    errors: dict[str, list[float]] = {"roll": [], "fresh": [], "roll from skip 0.2 on": []}
    for sample in bench.samples:
        mask = item_mask(sample)
        way = WAY if geometry.middle(mask)[0] < sample.source.width / 2 else -WAY
        moved = {"shift": (way, 0)}
        edits = moved, {**moved, "exposed": "fresh"}, {**moved, "skip": 0.2}
        made = bench.edited(sample, *(DDPMInversion(**edit) for edit in edits))
        truth, end = np.roll(np.asarray(sample.source), way, 1), np.roll(mask, way, 1)
        for name, picture in zip(errors, made, strict=True):
            found = geometry.find(pixels.unit(picture), pixels.unit(Image.fromarray(truth)), end)
            errors[name].append(geometry.mean_distance(found, geometry.middle(end)))
    for name, missed in errors.items():
        print(f"shift by {WAY} px, {name}: object off by {statistics.mean(missed):.1f} px (most {max(missed):.1f})")


def flip(bench: Bench) -> None:
    """PSNR to the mirrored source, beside what encoding and decoding leave of it."""
    model, found, bound = bench.editor.model, [], []
    for sample in bench.samples:
        mirrored = pixels.unit(ImageOps.mirror(sample.source))
        (made,) = bench.edited(sample, DDPMInversion(flip="horizontal"))
        found.append(pixels.psnr(pixels.unit(made), mirrored))
        with torch.no_grad():
            again = model.decode(model.encode(mirrored[None].float() * 2 - 1))[0].clamp(-1, 1)
        bound.append(pixels.psnr((again + 1) / 2, mirrored))
    print(f"flip: PSNR {statistics.mean(found):.1f} dB (least {min(found):.1f}); the autoencoder alone "
          f"{statistics.mean(bound):.1f} dB")  # fmt: skip


def colour(bench: Bench) -> None:
    """Share in which the classifier reads the asked colour, and the rest as it was; the mask is the object's."""
    read = load_classifier()
    assert read is not None
    names = ("without words", "with the new words", "as published")
    success: dict[str, list[float]] = {name: [] for name in names}
    kept: dict[str, list[float]] = {name: [] for name in names}
    for sample in bench.samples:
        mask, case = item_mask(sample).astype(np.float32), sample.case
        given = {"color": case.word, "change_map": mask}
        published = {"color_strength": 0.05, "color_steps": (0.3, 0.8), "skip": 0.36}
        made = bench.edited(
            sample,
            DDPMInversion(**given),
            DDPMInversion(**given, prompt=case.prompt),
            DDPMInversion(**given, **published),
        )
        for name, picture in zip(names, made, strict=True):
            seen = read(torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1)[None])[0]
            success[name].append(succeeded(case, seen))
            kept[name].append(kept_share(case, seen))
    for name in names:
        print(f"colour {name}: read {100 * statistics.mean(success[name]):.0f} %, "
              f"rest kept {100 * statistics.mean(kept[name]):.0f} %")  # fmt: skip


def main(names: Sequence[str] = ("shift", "flip", "colour"), sheet: str | None = None) -> None:
    for name in names:
        bench = Bench()
        {"shift": shift, "flip": flip, "colour": colour}[name](bench)
        if sheet is not None:
            columns = [np.concatenate([np.asarray(p.convert("RGB")) for p in column], 0) for column in bench.sheet]
            whole = Image.fromarray(np.concatenate(columns, 1))
            whole.resize((whole.width * 2, whole.height * 2), Image.Resampling.NEAREST).save(sheet)


if __name__ == "__main__":
    main(sys.argv[1:2] or ("shift", "flip", "colour"), sys.argv[2] if len(sys.argv) > 2 else None)
