"""Which layer at which step carries the structure: activations copied into all later steps (arXiv 2404.01050, sec. 3).

Where a down block is copied, it is the tensor that is handed to the next block that is overwritten; the skip
connections that the block has stored stay the network's own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from scumble.controls.start import StartAt
from scumble.core.control import Control, RunState
from scumble.core.guidance import Guidance
from scumble.core.noise import CounterNoise
from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.files import atomic_write
from scumble.images import fit, load_image, psnr, to_bytes, to_image, to_tensor
from scumble.inversion.settings import InversionSettings
from scumble.methods.batch import EditBatch
from scumble.methods.inversion_for import inversion_for
from scumble.models.sites import sites
from scumble.models.taps import Tap

__all__ = ["Copied", "FeatureAnalysis", "Frozen", "analyse_features", "block_sites"]


def block_sites(denoiser: torch.nn.Module) -> tuple[str, ...]:
    """Outputs of all down blocks, the mid block and all up blocks, in the order in which they run."""
    kinds = ("down_block", "mid_block", "up_block")
    return tuple(site.path for kind in kinds for site in sites(denoiser, kind))


@dataclass
class Frozen(Control):
    """Keep activations as they are at the first step of the run: row k of the batch keeps layer k.

    Args:
        layers: One layer for each row.
    """

    layers: Sequence[str]
    known: dict[int, Tensor] = field(default_factory=dict)

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Record at the first step, overwrite at all others."""

        def tap(k: int) -> Tap:
            def keep(output: Tensor) -> Tensor | None:
                if k not in self.known:
                    self.known[k] = output[k].clone()
                    return None
                changed = output.clone()
                changed[k] = self.known[k]
                return changed

            return Tap(self.layers[k], keep)

        return [tap(k) for k in range(len(self.layers))]


@dataclass(frozen=True)
class Copied:
    """One layer copied from one step on.

    Attributes:
        layer: Path of the module.
        step: Steps that were still to be run, N for pure noise (the paper counts so).
        psnr: Against the plain reconstruction, in dB; 100 stands for no difference.
        rms: Root mean square difference, in 8-bit steps.
    """

    layer: str
    step: int
    psnr: float
    rms: float


@dataclass(frozen=True)
class FeatureAnalysis:
    """The whole table, and all pictures in one: a row for each layer, a column for each step."""

    rows: tuple[Copied, ...]
    grid: Image.Image

    def write(self, table: Path, picture: Path | None = None) -> None:
        """Write the table (CSV) and the picture; never half a file."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["layer", "step", "psnr", "rms"])
        writer.writerows([r.layer, r.step, f"{r.psnr:.3f}", f"{r.rms:.3f}"] for r in self.rows)
        with atomic_write(table) as beside:
            beside.write_text(text.getvalue())
        if picture is not None:
            with atomic_write(picture) as beside:
                self.grid.save(beside, format="PNG")


def analyse_features(
    editor: Editor,
    image: Any,
    *,
    prompt: str = "",
    num_inference_steps: int = 50,
    steps: Sequence[int] | None = None,
    layers: Sequence[str] | None = None,
    iterations: int = 3,
) -> FeatureAnalysis:
    """Invert a picture, run back from several steps with one layer's activation held, and compare what comes out.

    All layers of a step share one batch: a network call has a row for each.

    Args:
        editor: The model.
        image: The picture.
        prompt: What it shows.
        num_inference_steps: N.
        steps: Steps to begin at, counted from the clean end; None: 90, 70, 50 and 30 % of N, as in the paper.
        layers: Which layers; None: all blocks.
        iterations: Fixed-point iterations of a level of the inversion.

    Raises:
        InputError: For steps outside the run; MethodError: for a layer that is not there.
    """
    model, n = editor.model, num_inference_steps
    wanted = [round(share * n) for share in (0.9, 0.7, 0.5, 0.3)] if steps is None else list(steps)
    if any(not 1 <= step <= n for step in wanted) or not wanted:
        raise InputError(f"steps are counted from the clean end, 1 to {n}, not {', '.join(map(str, wanted)) or 'none'}")
    chosen = block_sites(model.denoiser) if layers is None else tuple(layers)
    picture = load_image(image)
    place = fit(*picture.rgb.size, multiple=model.multiple, native=model.native_size)
    tensor = place.apply(to_tensor(picture.rgb)).to(model.device)
    batch = EditBatch(model=model, noise=CounterNoise([0]), count=1, size=place.size, image=tensor)
    settings = InversionSettings(
        kind="ddim",
        num_inference_steps=n,
        skip=1 - max(wanted) / n,
        prompt=prompt,
        iterations=iterations,
        tolerance=1e-3,
    )
    inversion = inversion_for(batch, settings)
    cond, solver = batch.embed(prompt), inversion.solver(model)

    def sampled(step: int, controls: Sequence[Control], batch: int) -> list[Image.Image]:
        edit_batch = EditBatch(model=model, noise=CounterNoise([0] * batch), count=batch, size=place.size, image=tensor)
        begin = StartAt(inversion.x_at(n - step), n - step)
        latents = edit_batch.denoise(inversion.levels, solver, [begin, *controls, Guidance(cond, cond)])
        with torch.no_grad():
            return to_image(place.undo(torch.cat([model.decode(row) for row in latents.split(1)]).cpu()))

    rows, pictures = [], []
    for step in wanted:
        (plain,) = sampled(step, [], 1)
        results = sampled(step, [Frozen(chosen)], len(chosen))
        pictures.append([plain, *results])
        rows += [_compared(layer, step, plain, result) for layer, result in zip(chosen, results, strict=True)]
    return FeatureAnalysis(tuple(rows), _grid(pictures, ["plain", *chosen], wanted))


def _compared(layer: str, step: int, plain: Image.Image, result: Image.Image) -> Copied:
    one, two = (to_bytes(to_tensor(image)).double() for image in (plain, result))
    return Copied(layer, step, psnr(one, two, 255), float((one - two).square().mean().sqrt()))


def _grid(columns: Sequence[Sequence[Image.Image]], names: Sequence[str], steps: Sequence[int]) -> Image.Image:
    scale = max(1, -(-96 // columns[0][0].width))
    width, height = (side * scale for side in columns[0][0].size)
    left, top = 120, 20
    sheet = Image.fromarray(np.full((top + height * len(names), left + width * len(columns), 3), 255, np.uint8))
    draw = ImageDraw.Draw(sheet)
    for c, (step, column) in enumerate(zip(steps, columns, strict=True)):
        draw.text((left + c * width + 4, 4), f"from step {step}", fill=0)
        for r, result in enumerate(column):
            sheet.paste(result.resize((width, height), Image.Resampling.NEAREST), (left + c * width, top + r * height))
    for r, name in enumerate(names):
        draw.text((4, top + r * height + height // 2), name, fill=0)
    return sheet
