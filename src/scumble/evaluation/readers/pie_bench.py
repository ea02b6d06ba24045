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
from scumble.evaluation.case import Case, Mask, Sample
from scumble.evaluation.folder import Benchmark
from scumble.evaluation.readers.rle import decode_rle
from scumble.images import load_image

__all__ = ["TYPES", "jpeg", "jpeg_strip_right", "open_pie_bench", "without_brackets"]

TYPES = {
    "0": "random", "1": "change object", "2": "add object", "3": "delete object", "4": "change content",
    "5": "change pose", "6": "change colour", "7": "change material", "8": "change background", "9": "change style",
}  # fmt: skip
_LISTS = ("mapping_file.json", "mapping_file_ti2i_benchmark.json")
_KEYS = ("image_path", "original_prompt", "editing_prompt")


def open_pie_bench(folder: Path) -> Benchmark:
    """Open the folder that holds `mapping_file.json` and `annotation_images`.

    Raises:
        InputError: for an entry without its fields, or pictures that are missing (the first and how many).
    """
    path = next(folder / name for name in _LISTS if (folder / name).is_file())
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    cases, places, masks = [], {}, {}
    missing = []
    for key, entry in entries.items():
        if any(name not in entry for name in _KEYS):
            raise InputError(f"{path.name}: entry {key!r} lacks one of {', '.join(_KEYS)}")
        place = _place(folder, str(entry["image_path"]))
        if place is None:
            missing.append(str(entry["image_path"]))
            continue
        case = _case(key, entry)
        cases.append(case)
        places[case.id], masks[case.id] = place, entry.get("mask")
    if not cases:
        raise InputError(f"none of the {len(entries)} pictures that {path.name} lists is in {folder.name}")
    told = (f"{len(missing)} listed pictures are missing, the first is {missing[0]}",) if missing else ()

    def load(case: Case) -> Sample:
        source = load_image(places[case.id]).rgb
        return Sample(case, source, region=_mask(masks[case.id], source))

    return Benchmark(folder, f"PIE-Bench ({len(cases)} cases)", tuple(cases), load, told, "pie-bench")


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


def _mask(runs: Any, source: Image.Image) -> Mask | None:
    if not isinstance(runs, list) or not runs:
        return None
    mask = decode_rle([int(x) for x in runs])
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
