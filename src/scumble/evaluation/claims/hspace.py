"""The claim that shifts of the bottleneck act linearly (arXiv 2210.10960)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import scumble
from scumble.errors import CheckpointError, InputError
from scumble.evaluation.claims.base import Bench, Curves, Finding, Word
from scumble.evaluation.metrics.adherence import pearson
from scumble.evaluation.metrics.pixels import unit
from scumble.hspace.direction import Direction
from scumble.methods.asyrp import Asyrp

__all__ = ["linearity"]

STRENGTHS = (0.0, 0.5, 1.0, 1.5)
_WEIGHTS = ("model.safetensors", "diffusion_pytorch_model.safetensors")


def linearity(bench: Bench) -> Finding:
    """Along each trained direction: the change against strength 0, its size and whether it keeps its way."""
    found = [path for path in _directions() if _fits(bench, path)]
    if not found:
        return Finding("cannot be checked here", "no trained direction for this model is in the package")
    curves, straight, along = {}, [], []
    for path in found:
        sizes = []
        for sample in bench.samples("floor", max(2, bench.count // 2)):
            made = [
                unit(
                    bench.edit(
                        sample,
                        Asyrp(
                            directions=(str(path),),
                            strengths=(strength,),
                            num_inference_steps=25,
                        ),
                    )
                )
                for strength in STRENGTHS
            ]
            ways = [picture - made[0] for picture in made[1:]]
            sizes.append([0.0, *(float(way.square().mean().sqrt()) for way in ways)])
            along.append(pearson(ways[0].numpy(), ways[1].numpy()))
        mean = np.mean(sizes, axis=0)
        straight.append(pearson(STRENGTHS, mean))
        curves[path.name.partition(".")[0]] = (list(STRENGTHS), mean.tolist())
    r, same = float(np.mean(straight)), float(np.nanmean(along))
    plot = Curves(title="Strength of a direction against change", x="strength", y="change (root mean square)",
                  curves=curves)  # fmt: skip
    reason = f"correlation of strength and size of the change {r:.3f}; pixel by pixel of 0.5 and 1 {same:.2f}"
    word: Word = "holds" if r > 0.98 and same > 0.8 else "does not hold"
    return Finding(word, f"{reason} ({len(found)} directions)", {"line": r, "way": same}, plot)


def _directions() -> list[Path]:
    """Files of the package that may be directions; their own heading says whether they are."""
    files = (Path(scumble.__file__).parent / "bundled").rglob("*.safetensors")
    return sorted(path for path in files if path.name not in _WEIGHTS)


def _fits(bench: Bench, path: Path) -> bool:
    try:
        Direction.load(str(path)).fits(bench.editor().model, path.name)
    except (CheckpointError, InputError):
        return False
    return True
