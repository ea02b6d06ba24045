"""Writing pictures so that a file is either whole or not there at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from scumble.errors import InputError
from scumble.files import PICTURE_FORMATS, atomic_write

__all__ = ["check_target", "save_image", "sidecar_path"]

_OWN_KEY = "scumble"


def save_image(
    image: Image.Image, path: str | Path, metadata: Mapping[str, str] | None = None, quality: int = 95
) -> Path:
    """Write PNG, JPEG or WebP by the extension; ``quality`` (1 to 100) is for the last two.

    PNG carries the metadata as text chunks. JPEG and WebP get it in ``<file name>.json`` beside them; such a file
    left there by an earlier picture is removed when there is no metadata. Raises InputError.
    """
    path = check_target(path, alpha="A" in image.getbands())
    if not 1 <= quality <= 100:
        raise InputError(f"quality must be from 1 to 100, got {quality}")
    options: dict[str, Any] = {"quality": quality}
    kind = PICTURE_FORMATS[path.suffix.lower()]
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        for key, value in (metadata or {}).items():
            text.add_text(key, value)
        options = {"pnginfo": text}
    elif kind == "JPEG":
        options["subsampling"] = 0
    else:
        options["exact"] = True
    if image.info.get("icc_profile"):
        options["icc_profile"] = image.info["icc_profile"]
    with atomic_write(path) as unfinished:
        image.save(unfinished, format=kind, **options)
        if kind != "PNG":
            _write_sidecar(sidecar_path(path), metadata)
    return path


def sidecar_path(path: str | Path) -> Path:
    """Return where the metadata of a JPEG or WebP lies: ``out.jpg`` -> ``out.jpg.json``."""
    path = Path(path)
    return path.with_name(path.name + ".json")


def check_target(path: str | Path, alpha: bool = False) -> Path:
    """Return the path when a picture can be written there; meant to be asked before the work, too.

    Raises InputError for an unknown extension, a folder, a folder that is missing or read-only, or JPEG with alpha.
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
    return path


def _write_sidecar(path: Path, metadata: Mapping[str, str] | None) -> None:
    if metadata:
        with atomic_write(path) as unfinished:
            unfinished.write_text(json.dumps(dict(metadata), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    elif path.is_file():
        with contextlib.suppress(ValueError):
            known = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(known, dict) and _OWN_KEY in known:
                path.unlink()
