"""Writing pictures so that a file is either whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

from scumble.errors import InputError
from scumble.files import PICTURE_FORMATS, atomic_write, refuse_overwriting
from scumble.images.carried import Carried, options_for
from scumble.images.deep import FORMATS, write_deep
from scumble.images.jpeg_blocks import with_segments
from scumble.untrusted import parse_json, read_text

__all__ = ["OWN_KEY", "check_target", "has_own_sidecar", "save_image", "sidecar_path"]

OWN_KEY = "scumble"
_LARGE = 2_000_000
"""Pixels from which a PNG is compressed fast: a quarter of the time for a tenth more bytes."""
_SLOW = 8_000_000
"""Pixels from which a lossless WebP is written by the fastest method."""


def save_image(
    image: Image.Image,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    quality: int = 95,
    *,
    carried: Carried | None = None,
    jpeg: bytes | None = None,
    overwrite: bool = True,
    notices: list[str] | None = None,
) -> Path:
    """Write PNG, JPEG, TIFF or lossless WebP by the extension.

    Args:
        image: The picture.
        path: Where; PNG carries the metadata as text chunks, the others get it in ``<file name>.json`` beside them.
            Such a file left there by an earlier picture is removed when there is no metadata.
        metadata: Texts, such as the recipe.
        quality: Of a JPEG, 1 to 100; colors at full resolution.
        carried: What the edited file held besides its pixels.
        jpeg: A JPEG of the picture that is to be written in place of a new one: with blocks of the edited file.
        overwrite: Whether a file that is there may be replaced.
        notices: Gets remarks on what does not fit the format.

    Raises:
        InputError: For a target that :func:`check_target` refuses, or what the encoder refuses.
    """
    path = check_target(path, alpha="A" in image.getbands(), overwrite=overwrite)
    if not 1 <= quality <= 100:
        raise InputError(f"quality must be from 1 to 100, got {quality}")
    kind = PICTURE_FORMATS[path.suffix.lower()]
    if kind != "PNG" and metadata:
        _refuse_foreign(sidecar_path(path))
    remarks: list[str] = [] if notices is None else notices
    carried = carried or Carried()
    if image.info.get("icc_profile"):
        carried = replace(carried, icc=image.info["icc_profile"])
    options = options_for(carried, kind, remarks)
    if kind == "PNG":
        for key, value in (metadata or {}).items():
            options["pnginfo"].add_text(key, value)
        if image.width * image.height > _LARGE:
            options["compress_level"] = 1
    elif kind == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
    elif kind == "WEBP":
        options |= {"lossless": True, "exact": True}
        if image.width * image.height > _SLOW:
            options["method"] = 0
            remarks.append("a lossless WebP of this size takes long to write; .png is faster")
    deep = carried.deep
    if deep is not None and kind not in FORMATS:
        remarks.append(f"the picture has 16 bits per channel; {kind} holds the upper 8: .png and .tif keep all")
        deep = None
    elif deep is not None and deep.size != image.size:
        remarks.append("the picture has 16 bits per channel; the result is of another size and holds the upper 8")
        deep = None
    with atomic_write(path) as unfinished:
        if jpeg is not None and kind == "JPEG":
            unfinished.write_bytes(with_segments(jpeg, carried.exif, carried.xmp, carried.icc, carried.dpi))
        else:
            image.save(unfinished, format=kind, **options)
            if deep is not None:
                write_deep(unfinished, deep.under(image), kind)
        if kind != "PNG":
            _write_sidecar(sidecar_path(path), metadata)
    return path


def sidecar_path(path: str | Path) -> Path:
    """Return where the metadata of a JPEG, WebP or TIFF lies: ``out.jpg`` -> ``out.jpg.json``."""
    path = Path(path)
    return path.with_name(path.name + ".json")


def has_own_sidecar(path: Path) -> bool:
    """Whether the metadata of a picture lies beside it, and is ours."""
    sidecar = sidecar_path(path)
    return sidecar.is_file() and _is_ours(sidecar)


def check_target(path: str | Path, alpha: bool = False, *, overwrite: bool = True, source: Path | None = None) -> Path:
    """Return the path when a picture can be written there; meant to be asked before the work, too.

    Raises InputError for an unknown extension, a folder, a folder that is missing or read-only, JPEG with alpha, or,
    unless ``overwrite``, for a file that exists (:func:`refuse_overwriting`; ``source`` is the edited one).
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"the output {path} is a folder; give a file name in it, such as {path / 'out.png'}")
    suffix = path.suffix.lower()
    if suffix not in PICTURE_FORMATS:
        known = ", ".join(PICTURE_FORMATS)
        raise InputError(f"the output {path} must end in one of {known}")
    if not path.parent.is_dir():
        raise InputError(f"the output folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the output folder {path.parent} cannot be written to")
    if alpha and PICTURE_FORMATS[suffix] == "JPEG":
        raise InputError(f"{path.name}: JPEG has no transparency and this picture has; use .png or .webp")
    if not overwrite:
        refuse_overwriting(path, source)
    return path


def _refuse_foreign(path: Path) -> None:
    """Other software keeps notes beside pictures too (Google's takeout does): those are not overwritten."""
    if path.exists() and not _is_ours(path):
        raise InputError(
            f"{path.name} is there already and is not Scumble's: give another name, or leave the recipe out"
            " (--no-metadata, metadata=False)"
        )


def _is_ours(path: Path) -> bool:
    try:
        known = parse_json(read_text(path, "the file"), path.name)
    except InputError:
        return False
    return isinstance(known, dict) and OWN_KEY in known


def _write_sidecar(path: Path, metadata: Mapping[str, str] | None) -> None:
    if metadata:
        with atomic_write(path) as unfinished:
            unfinished.write_text(json.dumps(dict(metadata), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    elif path.is_file() and _is_ours(path):
        path.unlink()
