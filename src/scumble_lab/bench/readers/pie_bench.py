"""PIE-Bench (arXiv 2310.01506): 700 pictures, ten kinds of edits, masks; and the TI2I list in the same pack.

Its published figures were made from JPEG strips; see `jpeg_strip_right`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scumble.errors import InputError
from scumble.images import load_image
from scumble_lab.bench.case import Case, Mask, Sample
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.formatting import counted
from scumble_lab.bench.readers.rle import checked_runs, decode_rle

__all__ = ["TYPES", "jpeg", "jpeg_strip_right", "open_pie_bench", "without_brackets"]

TYPES = {
    "0": "random", "1": "change object", "2": "add object", "3": "delete object", "4": "change content",
    "5": "change pose", "6": "change colour", "7": "change material", "8": "change background", "9": "change style",
}  # fmt: skip
_LISTS = ("mapping_file.json", "mapping_file_ti2i_benchmark.json")
_KEYS = ("image_path", "original_prompt", "editing_prompt")


def open_pie_bench(folder: Path) -> Benchmark:
    """Open the folder that holds `mapping_file.json` and `annotation_images`.

    Entries whose picture is missing or whose mask is none are left out; the first is named, and how many.

    Raises:
        InputError: for a list that is none, an entry without its fields, or if no entry is left.
    """
    path = next(folder / name for name in _LISTS if (folder / name).is_file())
    cases, places, masks = [], {}, {}
    missing, bad = [], []
    entries = _entries(path)
    for key, entry in entries.items():
        place = _place(folder, str(entry["image_path"]))
        if place is None:
            missing.append(str(entry["image_path"]))
            continue
        case = _case(key, entry)
        try:
            masks[case.id] = checked_runs(entry.get("mask") or [])
        except InputError as error:
            bad.append(f"{key}: {error}")
            continue
        cases.append(case)
        places[case.id] = place
    remarks = []
    if missing:
        remarks.append(f"{counted(len(missing), 'listed picture')} missing, the first is {missing[0]}")
    if bad:
        remarks.append(f"{counted(len(bad), 'entry')} left out for the mask, the first is {bad[0]}")
    if not cases:
        raise InputError(f"none of the {len(entries)} entries of {path.name} can be used; {'; '.join(remarks)}")

    def load(case: Case) -> Sample:
        source = load_image(places[case.id]).rgb
        return Sample(case, source, region=_mask(masks[case.id], source))

    return Benchmark(folder, "PIE-Bench", tuple(cases), load, tuple(remarks), "pie-bench")


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    try:
        entries = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{path.name} must be a mapping of names to entries with {', '.join(_KEYS)}")
    for key, entry in entries.items():
        if not isinstance(entry, dict) or any(name not in entry for name in _KEYS):
            raise InputError(f"{path.name}: entry {key!r} lacks one of {', '.join(_KEYS)}")
    return entries


def _place(folder: Path, given: str) -> Path | None:
    tries = (folder / "annotation_images" / given, folder / given)
    inside = [path for path in tries if path.is_file() and folder.resolve() in path.resolve().parents]
    return inside[0] if inside else None


def _case(key: str, entry: dict[str, Any]) -> Case:
    return Case(
        id=key.replace("/", "_"),
        task=TYPES.get(str(entry.get("editing_type_id", "")), "edit"),
        instruction=str(entry.get("editing_instruction", "")),
        source_prompt=without_brackets(str(entry["original_prompt"])),
        prompt=without_brackets(str(entry["editing_prompt"])),
        blend_words=tuple(str(entry.get("blended_word", "")).split()),
    )


def without_brackets(prompt: str) -> str:
    """The prompt without the characters [ and ] around the words that change; the words stay."""
    return prompt.replace("[", "").replace("]", "")


def _mask(runs: list[int], source: Image.Image) -> Mask | None:
    if not runs:
        return None
    mask = decode_rle(runs)
    if source.size == (512, 512):
        return mask
    scaled = Image.fromarray(mask).resize(source.size, Image.Resampling.NEAREST)
    return np.asarray(scaled, dtype=bool)


def jpeg(image: Image.Image, quality: int = 75) -> Image.Image:
    """The picture after JPEG, as the published results were saved (`jpeg_compat`)."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def jpeg_strip_right(strip: Image.Image, size: int = 512) -> Image.Image:
    """The edited picture out of a published strip [instruction | source | reconstruction | edit]."""
    if strip.width < size or strip.height != size:
        raise InputError(f"a strip of results is {size} pixels high and wider, got {strip.width}x{strip.height}")
    return strip.crop((strip.width - size, 0, strip.width, size))
