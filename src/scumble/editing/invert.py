"""A picture inverted for later, and how exactly the inversion gives it back."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from scumble.controls.stored_noise import StoredNoise
from scumble.core.cost import Cost
from scumble.core.noise import CounterNoise
from scumble.editing.finish import finished
from scumble.editing.prepared import Prepared, prepare, profile_in
from scumble.editing.run import before_call
from scumble.editing.runtime import runtime_notices
from scumble.editing.windows import Part, tiled_part, whole_part, window_around
from scumble.errors import InputError, MethodError, ScumbleError
from scumble.hashing import sha256
from scumble.images import Box, MapSource, Picture, load_image, load_map, psnr, to_bytes
from scumble.images.islands import bounding_box
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.batch import EditBatch
from scumble.methods.given_text import GivenText
from scumble.methods.inversion_for import inversion_for
from scumble.methods.reuse import Reuse
from scumble.methods.watch import Watch
from scumble.models.base import Model
from scumble.models.runtime.base import made_with
from scumble.models.tiled import TiledModel
from scumble.records.view import View

__all__ = ["invert_picture", "measure", "part_to_invert", "picture_of", "replay_notices"]


def part_to_invert(model: Model, picture: Picture, change_map: MapSource | Box | None, view: View) -> Part:
    """The window around what edits will change, or the whole picture.

    Raises:
        InputError: If the map changes nothing, or the box leaves the picture.
    """
    if change_map is None:
        whole = whole_part(model, picture.size, None, view.work_size)
        return tiled_part(model, picture.size, None, None, view) if view.tiles else whole
    if isinstance(change_map, tuple) and len(change_map) == 4:
        box: Box | None = (int(change_map[0]), int(change_map[1]), int(change_map[2]), int(change_map[3]))
    else:
        change, _ = load_map(change_map, picture.size)
        box = bounding_box(np.asarray((change > 0).numpy().any(axis=(0, 1))))
    if box is None:
        raise InputError("the map changes nothing: give one that shows what edits will change")
    if view.tiles:
        return tiled_part(model, picture.size, None, box, view)
    native = view.work_size or model.native_size
    return Part(window_around(model, picture.size, box, view.context, native, picture.rgb), None, box)


def invert_picture(
    model: Model,
    picture: Picture,
    settings: InversionSettings,
    seed: int,
    measured: bool = True,
    part: Part | None = None,
    watch: Watch | None = None,
    tiles: bool = False,
    reuse: Reuse | None = None,
) -> Inversion:
    """Invert a picture, or a window of it, at the size the model sees it, and keep the picture with it.

    Args:
        model: The model.
        picture: The picture.
        settings: How to invert.
        seed: Seed of its draws.
        measured: Replay it and state the error, at the price of one more run.
        part: The window; the whole picture by default.
        watch: Who looks on.
        tiles: Predict in overlapping tiles, blended at every step; edits from it do the same.
        reuse: What was made before of the same picture.

    Raises:
        InputError: If the settings do not fit the model.
        MethodError: If the model has no inversion.
    """
    if model.picture_channels:
        raise MethodError(f"{model.name} edits by instruction: it has no inversion; use another model")
    part = part or whole_part(model, picture.size)
    tiled = TiledModel(model) if tiles else None
    worker = model if tiled is None else cast("Model", tiled)
    window = part.window
    pixels = np.asarray(picture.rgb if window.is_whole else picture.rgb.crop(window.box))
    prepared = prepare(worker, part, pixels, profile_in(picture.rgb))
    batch = EditBatch(
        model=worker,
        noise=CounterNoise([seed]),
        count=1,
        size=window.size,
        image=prepared.image,
        cost=Cost(),
        window=window,
        text=GivenText(model.pieces(settings.prompt or "") if model.takes_text else 1),
    )
    batch.watch, batch.reuse = watch or Watch(), reuse or Reuse()
    batch.cost.before_call = before_call(batch)
    started = time.perf_counter()
    inversion = inversion_for(batch, settings)
    if not all(bool(path.isfinite().all()) for path in (inversion.xs, inversion.zs) if path is not None):
        raise ScumbleError("the path to the picture is not finite (NaN): invert with less guidance, or in float32")
    seconds = round(time.perf_counter() - started, 3)
    if tiled is not None:
        report_rows = {"forward_rows": batch.cost.forward_rows + tiled.rows, "tiles": tiled.describe(window.size)}
        inversion = replace(inversion, report={**inversion.report, **report_rows})
    report = {**inversion.report, "seconds": seconds, "notices": [*batch.notices, *runtime_notices(model)]}
    rgba = picture.with_alpha(picture.rgb)
    error = _measured(batch, inversion, prepared) if measured else {}
    if saved := sum(batch.cost.reused.values()):
        report["reused_rows"] = saved
    return replace(
        inversion.to("cpu", copy=True),  # what a cache keeps is nobody's to change
        seed=seed,
        picture=torch.from_numpy(np.array(rgba)),
        picture_name=picture.path_name or "",
        picture_sha256=picture.sha256,
        window={"box": list(window.box), "scaled": list(window.scaled), "size": list(window.size)}
        | ({"tiles": True} if tiles else {}),
        error=error,
        report=report,
    )


def picture_of(inversion: Inversion, given: Picture | None) -> Picture:
    """The picture that an inversion belongs to: the one given, or the one it holds.

    Raises:
        InputError: If another one is given, or it holds none.
    """
    if given is not None:
        if inversion.picture_sha256 and given.sha256 != inversion.picture_sha256:
            label = inversion.picture_name or inversion.picture_sha256[:12]
            raise InputError(f"the inversion is of another picture ({label}): give that one, or leave the picture out")
        return given
    if inversion.picture is None:
        raise InputError("the inversion holds no picture: give the picture that was inverted")
    return replace(load_image(inversion.picture.numpy()), path_name=inversion.picture_name or None)


def measure(batch: EditBatch, inversion: Inversion, prepared: Prepared | None = None) -> dict[str, float]:
    """Replay an inversion with its own words and compare: what a reconstruction loses.

    Returns:
        ``latent_max`` and ``latent_rms`` against the clean latent; ``pixel_max`` (8-bit steps) and ``pixel_psnr``
        (dB) against its decoded picture; ``model_psnr``, what encoding and decoding alone leave of the picture. With
        ``prepared`` also ``picture_psnr`` and ``picture_max``: the replayed window, with the detail that survives,
        against the picture at its own size. A PSNR of 100 stands for no difference.
    """
    latent = _replayed(batch, inversion)
    difference = (latent - inversion.x0).double()
    with torch.no_grad():
        again, clean = (to_bytes(batch.model.decode(x)) for x in (latent, inversion.x0[:1]))
    errors = {
        "latent_max": float(difference.abs().max()),
        "latent_rms": float(difference.square().mean().sqrt()),
        "pixel_max": float((again.int() - clean.int()).abs().max()),
        "pixel_psnr": psnr(again, clean, 255),
        "model_psnr": psnr(clean, to_bytes(batch.picture), 255),
    }
    if prepared is not None and prepared.original is not None:
        with torch.no_grad():
            replayed, rebuilt = (batch.model.decode(x).cpu() for x in (latent[:1], inversion.x0[:1]))
        pixels, _ = finished(replayed, prepared, prepared.original, rebuilt, View(), 1.0, 0, 0)
        result, wanted = (torch.from_numpy(one.copy()) for one in (pixels, prepared.original.pixels))
        errors["picture_max"] = float((result.int() - wanted.int()).abs().max())
        errors["picture_psnr"] = psnr(result, wanted, 255)
    return errors


def _measured(batch: EditBatch, inversion: Inversion, prepared: Prepared) -> dict[str, float]:
    """What :func:`measure` gives, or gave for the same inversion of the same pixels."""
    original, profile, window = prepared.original, prepared.profile, prepared.window
    pixels = b"" if original is None else np.ascontiguousarray(original.pixels).tobytes()
    seen = sha256(pixels, b"" if profile is None else profile.icc)
    replayed = (inversion.prompt, inversion.guidance_scale, inversion.eta, inversion.rule, inversion.compat)
    parts = (seen, repr(window), inversion.sha256, *replayed, inversion.levels, inversion.first)
    return dict(batch.reused("inversion's error", parts, lambda: measure(batch, inversion, prepared)))


def replay_notices(model: Model, inversion: Inversion) -> list[str]:
    """Say what it costs that a stored noise is replayed in another runtime or precision than it was made in.

    It is replayed once for that. Nothing is said of an inversion that is replayed as it was made, or stores no noise.
    """
    (runtime, precision), now = (inversion.runtime, inversion.precision), made_with(model)
    if inversion.zs is None or not runtime or (runtime, precision) == now:
        return []
    stored = inversion.to(model.device)
    worker = cast("Model", TiledModel(model)) if (inversion.window or {}).get("tiles") else model
    batch = EditBatch(model=worker, noise=CounterNoise([inversion.seed or 0]), count=1, size=inversion.size)
    latent = _replayed(batch, stored)
    with torch.no_grad():
        again, clean = (to_bytes(model.decode(x)) for x in (latent, stored.x0))
    before = inversion.error.get("pixel_psnr")
    then = "" if before is None else f", where it was made {before:.1f}"
    return [
        f"the inversion was made in {runtime} ({precision}) and is replayed in {now[0]} ({now[1]}): it gives its image"
        f" back with {psnr(again, clean, 255):.1f} dB{then}"
    ]


def _replayed(batch: EditBatch, inversion: Inversion) -> Tensor:
    """The latent to which an inversion's own noise and words lead."""
    guidance = batch.source_guidance(inversion.prompt, "", inversion.guidance_scale)
    controls = [StoredNoise(inversion), guidance]
    return batch.denoise(inversion.levels, inversion.solver(batch.model), controls, stage="measure")
