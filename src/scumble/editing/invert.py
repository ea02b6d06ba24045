"""A picture inverted for later, and how exactly the inversion gives it back."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from scumble.controls.stored_noise import StoredNoise
from scumble.core.cost import Cost
from scumble.core.noise import CounterNoise
from scumble.errors import InputError
from scumble.images import Picture, fit, load_image, psnr, to_bytes, to_tensor
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.batch import EditBatch
from scumble.methods.inversion_for import inversion_for
from scumble.models.base import Model

__all__ = ["invert_picture", "measure", "picture_of"]


def invert_picture(
    model: Model, picture: Picture, settings: InversionSettings, seed: int, measured: bool = True
) -> Inversion:
    """Invert a picture at the size the model sees it, and keep the picture with it.

    Args:
        model: The model.
        picture: The picture.
        settings: How to invert.
        seed: Seed of its draws.
        measured: Replay it and state the error, at the price of one more run.

    Raises:
        InputError: If the settings do not fit the model.
    """
    place = fit(*picture.rgb.size, multiple=model.multiple, native=model.native_size)
    image = place.apply(to_tensor(picture.rgb)).to(model.device)
    batch = EditBatch(model=model, noise=CounterNoise([seed]), count=1, size=place.size, image=image, cost=Cost())
    started = time.perf_counter()
    found = inversion_for(batch, settings)
    report = {**found.report, "seconds": round(time.perf_counter() - started, 3), "notices": batch.notices}
    rgba = picture.with_alpha(picture.rgb)
    return replace(
        found.to("cpu"),
        seed=seed,
        picture=torch.from_numpy(np.array(rgba)),
        picture_name=picture.path_name or "",
        picture_sha256=picture.sha256,
        error=measure(batch, found) if measured else {},
        report=report,
    )


def picture_of(inversion: Inversion, given: Picture | None) -> Picture:
    """The picture that an inversion belongs to: the one given, or the one it holds.

    Raises:
        InputError: If another one is given, or it holds none.
    """
    if given is not None:
        if inversion.picture_sha256 and given.sha256 != inversion.picture_sha256:
            own = inversion.picture_name or inversion.picture_sha256[:12]
            raise InputError(f"the inversion is of another picture ({own}): give that one, or leave the picture out")
        return given
    if inversion.picture is None:
        raise InputError("the inversion holds no picture: give the picture that was inverted")
    return replace(load_image(inversion.picture.numpy()), path_name=inversion.picture_name or None)


def measure(batch: EditBatch, inversion: Inversion) -> dict[str, float]:
    """Replay an inversion with its own words and compare: what a reconstruction loses.

    Returns:
        ``latent_max`` and ``latent_rms`` against the clean latent; ``pixel_max`` (8-bit steps) and ``pixel_psnr``
        (dB) against its decoded picture; ``model_psnr``, what encoding and decoding alone leave of the picture.
        A PSNR of 100 stands for no difference.
    """
    guidance = batch.guidance(inversion.prompt, "", inversion.guidance_scale)
    on_step, batch.on_step = batch.on_step, None
    try:
        found = batch.denoise(inversion.levels, inversion.solver(batch.model), [StoredNoise(inversion), guidance])
    finally:
        batch.on_step = on_step
    apart = (found - inversion.x0).double()
    with torch.no_grad():
        again, clean = (to_bytes(batch.model.decode(x)) for x in (found, inversion.x0[:1]))
    return {
        "latent_max": float(apart.abs().max()),
        "latent_rms": float(apart.square().mean().sqrt()),
        "pixel_max": float((again.int() - clean.int()).abs().max()),
        "pixel_psnr": psnr(again, clean, 255),
        "model_psnr": psnr(clean, to_bytes(batch.picture), 255),
    }
