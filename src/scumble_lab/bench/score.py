"""All figures of one result: what its benchmark knows decides which there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from scumble_lab.bench.case import Mask, Sample
from scumble_lab.bench.classifier import Reading
from scumble_lab.bench.dragbench import dragged_points
from scumble_lab.bench.judges import Judges
from scumble_lab.bench.metrics import adherence, geometry, pixels, words
from scumble_lab.bench.metrics import clip_choice as asked
from scumble_lab.bench.metrics.seam import seam
from scumble_lab.bench.metrics.size import width_of
from scumble_lab.bench.metrics.structure import structure_distance
from scumble_lab.bench.metrics.success import kept_share, succeeded
from scumble_lab.world import edit, render, truths

__all__ = ["METRICS", "Metric", "overall", "score"]


@dataclass(frozen=True)
class Metric:
    """A figure in a table: its title, whether more is better (None: neither), how many digits, what it says."""

    title: str
    better: bool | None
    digits: int
    about: str
    scale: float = 1.0


METRICS: dict[str, Metric] = {
    "success": Metric("success %", True, 0, "what was asked for is there, as the classifier reads it", 100),
    "kept": Metric("rest kept %", True, 0, "share of all other attributes that read as they shall", 100),
    "psnr_in": Metric("PSNR inside", True, 1, "to the true result, where it differs from the source"),
    "psnr_out": Metric("PSNR outside", True, 1, "to the true result, everywhere else"),
    "ssim_in": Metric("SSIM inside", True, 3, "the same by structural similarity"),
    "ssim_out": Metric("SSIM outside", True, 3, "the same by structural similarity"),
    "mse_in": Metric("MSE inside ×10⁴", False, 0, "the same by mean squared error", 1e4),
    "mse_out": Metric("MSE outside ×10⁴", False, 1, "the same by mean squared error", 1e4),
    "psnr": Metric("PSNR", True, 1, "to the true result, over all of the picture"),
    "judge": Metric("judge %", True, 0, "a CLIP that guided nothing prefers the new words to the source's", 100),
    "asked": Metric("asked %", True, 0, "shown the region alone, that CLIP chooses it of all that could be there", 100),
    "clip": Metric("CLIP", True, 1, "that CLIP's similarity of picture and words, times 100"),
    "direction": Metric("direction", True, 2, "cosine of the way of the pictures and the way of the words"),
    "structure": Metric("structure ×10³", False, 1, "distance of the keys' self-similarity from the source's", 1e3),
    "lpips": Metric("LPIPS ×10³", False, 1, "perceptual distance from the source", 1e3),
    "moved": Metric("way left %", False, 0, "share of the object's way that is left; 100: it did not move", 100),
    "arrival": Metric("arrival error", False, 1, "pixels from the object's middle to where it should be"),
    "resized": Metric(
        "size left %", False, 0, "share of the object's change of size that is left; 100: unchanged", 100
    ),
    "seam": Metric("seam", None, 2, "step across the region's border over steps beside it; 1: not seen"),
    "adherence": Metric("adherence", True, 2, "correlation of the region with the measured change"),
    "changed": Metric("changed %", None, 0, "share of the pixels that differ visibly from the source", 100),
    "background_psnr": Metric("background PSNR", True, 1, "to the source outside the mask, as PIE-Bench counts"),
    "background_mse": Metric("background MSE ×10⁴", False, 1, "likewise", 1e4),
    "background_ssim": Metric("background SSIM ×10²", True, 1, "likewise", 100),
    "background_lpips": Metric("background LPIPS ×10³", False, 1, "likewise, black inside the mask", 1e3),
    "background_mse_own": Metric("background MSE per pixel ×10⁴", False, 1, "over the background's own pixels", 1e4),
    "dragged": Metric("distance left", False, 1, "pixels from a dragged point, found by features, to its target"),
    "fidelity": Metric("image fidelity", True, 3, "1 less LPIPS at 224 pixels; doing nothing has 1"),
    "clip_edited": Metric("CLIP edited", True, 1, "similarity of the mask's part to the words, black outside"),
}
"""All figures, in the order of tables."""


def score(
    sample: Sample, result: Image.Image, judges: Judges, read: Reading | None = None, style: str = "world"
) -> dict[str, float]:
    """Return the figures that the case has; NaN where one is not defined for it.

    Args:
        sample: The case with its pictures.
        result: What an editor made of it, of the same size.
        judges: The networks.
        read: What the classifier reads in the result.
        style: Of the benchmark: others than `world` have the figures that they publish too.
    """
    result_pixels, source = pixels.unit(result), pixels.unit(sample.source)
    figures: dict[str, float] = {"changed": pixels.change_share(result_pixels, source)}
    left = math.nan
    if sample.target is not None:
        target = pixels.unit(sample.target)
        figures |= _to_truth(result_pixels, target, sample.change)
        if sample.case.task == "move":
            figures |= _arrival(result_pixels, target, sample)
            left = figures["moved"]
        if sample.case.task == "resize":
            figures["resized"] = _size_left(result_pixels, source, target, sample)
    if read is not None and sample.case.after is not None:
        figures["success"] = succeeded(sample.case, read, left)
        figures["kept"] = kept_share(sample.case, read)
    figures |= _words(sample, result, judges)
    shapes = judges.structure(sample.source), judges.structure(result)
    if shapes[0] is not None and shapes[1] is not None:
        figures["structure"] = structure_distance(shapes[0], shapes[1])
    if judges.lpips is not None:
        figures["lpips"] = judges.lpips[1](result, sample.source)
    if sample.region is not None:
        figures |= _asked(sample, result, judges)
        figures["seam"] = seam(result_pixels, sample.region)
        figures["adherence"] = adherence.pearson(sample.region, adherence.change_strength(result_pixels, source))
        if style != "world":
            figures |= _published(result_pixels, source, sample, result, judges)
    if style == "drag-bench":
        figures |= _dragged(sample, result, judges)
    return figures


def overall(figures: dict[str, float]) -> float:
    """The one number by which results of an editor are put in order: success first, then nearness to the truth.

    Success counts 1; PSNR inside and outside, limited to 40 dB, count up to half each. Where success is not known,
    the judge's word; where there is no truth, CLIP's similarity.
    """
    done = figures.get("success", figures.get("judge", math.nan))
    near = [min(figures[key], 40.0) / 80 for key in ("psnr_in", "psnr_out") if key in figures]
    near = [x for x in near if not math.isnan(x)] or [figures.get("clip", 0.0) / 100]
    return (0.0 if math.isnan(done) else done) + sum(near)


def _to_truth(result: Tensor, target: Tensor, change: Mask | None) -> dict[str, float]:
    figures = {"psnr": pixels.psnr(result, target)}
    if change is None:
        return figures
    for name, measure in (("psnr", pixels.psnr), ("ssim", pixels.ssim), ("mse", pixels.mse)):
        figures[f"{name}_in"] = measure(result, target, change)
        figures[f"{name}_out"] = measure(result, target, ~change)
    return figures


def _arrival(result: Tensor, target: Tensor, sample: Sample) -> dict[str, float]:
    """How far the object's middle is from its place: found by the true object's look, and as a share of its way."""
    size, item = sample.source.height, sample.case.edited
    masks = [truths(scene, size).masks[item].numpy() for scene in sample.case.scenes]
    start, end = (geometry.middle(mask) for mask in masks)
    error = geometry.mean_distance(geometry.find(result, target, masks[1]), end)
    way = geometry.mean_distance(start, end)
    return {"arrival": error, "moved": error / way if way > 0 else math.nan}


def _size_left(result: Tensor, source: Tensor, target: Tensor, sample: Sample) -> float:
    """How far the object's measured width is from the true one, as a share of the way that it had to go."""
    (before, after), item, size = sample.case.scenes, sample.case.edited, sample.source.height
    true, other = (truths(scene, size).masks[item].numpy() for scene in (after, before))
    empty = render([edit(after, "remove", item)], size)[0] / 255
    width, was = (width_of(picture, target, true, other, empty) for picture in (result, source))
    return abs(math.log(width) / math.log(was)) if was != 1 else math.nan


def _words(sample: Sample, result: Image.Image, judges: Judges) -> dict[str, float]:
    one, two = judges.features(result), judges.features(sample.source)
    text, source_text = judges.text(sample.case.prompt), judges.text(sample.case.source_prompt)
    if one is None or two is None or text is None or source_text is None or not sample.case.prompt:
        return {}
    figures = {"clip": words.similarity(one, text)}
    if sample.case.source_prompt:
        figures["direction"] = words.direction(one, two, text, source_text)
        figures["judge"] = words.accuracy(one, text, source_text)
    return figures


def _asked(sample: Sample, result: Image.Image, judges: Judges) -> dict[str, float]:
    """What the judge chooses for the region, with the source around it."""
    choices = asked.answers(sample.case)
    if judges.clip is None or len(choices) < 2 or sample.region is None:
        return {}
    shown = judges.features(Image.composite(result, sample.source, Image.fromarray(sample.region)))
    texts = [text for one in choices if (text := judges.text(one)) is not None]
    return {} if shown is None else {"asked": asked.chooses_first(shown, texts)}


def _published(edited: Tensor, source: Tensor, sample: Sample, result: Image.Image, judges: Judges) -> dict[str, float]:
    keep = ~sample.area
    figures = {f"background_{k}": v for k, v in pixels.masked_as_published(edited, source, keep).items()}
    figures["background_mse_own"] = pixels.mse(edited, source, keep)
    if judges.lpips is not None and keep.any():
        dark = [
            Image.composite(Image.new("RGB", i.size), i, Image.fromarray(sample.area)) for i in (result, sample.source)
        ]
        figures["background_lpips"] = judges.lpips[1](*dark)
    black = Image.composite(result, Image.new("RGB", result.size), Image.fromarray(sample.area))
    cut, text = judges.features(black), judges.text(sample.case.prompt)
    if cut is not None and text is not None:
        figures["clip_edited"] = words.similarity(cut, text)
    return figures


def _dragged(sample: Sample, result: Image.Image, judges: Judges) -> dict[str, float]:
    """DragBench's own figures; the mean of `dragged` over pictures is not the published mean over all points."""
    figures = {}
    if judges.dift is not None:
        left = dragged_points(sample.source, result, sample.case.points, judges.dift, sample.case.source_prompt)
        figures["dragged"] = sum(left) / len(left) if left else math.nan
    if judges.lpips is not None:
        small = [i.resize((224, 224), Image.Resampling.BILINEAR) for i in (sample.source, result)]
        figures["fidelity"] = 1 - judges.lpips[1](*small)
    return figures


def titles(names: Sequence[str]) -> list[str]:
    """Table titles with an arrow for what is better."""
    arrows = {True: " ↑", False: " ↓", None: ""}
    return [METRICS[name].title + arrows[METRICS[name].better] for name in names]
