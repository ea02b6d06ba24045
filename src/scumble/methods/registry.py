"""Method names and where their classes live; nothing is imported before it is asked for."""

from __future__ import annotations

import importlib

from scumble.errors import InputError, nearest

__all__ = ["ALIASES", "METHODS", "method_class", "method_names"]

METHODS = {
    "text-to-image": "scumble.methods.img2img.text_to_image:TextToImage",
    "sdedit": "scumble.methods.img2img.sdedit:SDEdit",
    "differential-diffusion": "scumble.methods.img2img.differential_diffusion:DifferentialDiffusion",
    "instruct": "scumble.methods.instruct.instruct:Instruct",
    "ddpm-inversion": "scumble.methods.inversion_based.ddpm_inversion:DDPMInversion",
    "ddim-inversion": "scumble.methods.inversion_based.ddim_inversion:DDIMInversion",
    "cycle-diffusion": "scumble.methods.inversion_based.cycle_diffusion:CycleDiffusion",
    "ledits": "scumble.methods.inversion_based.ledits:LEdits",
    "blended-diffusion": "scumble.methods.inpainting.blended_diffusion:BlendedDiffusion",
    "local-clip-guided-diffusion": "scumble.methods.inpainting.local_clip_guided_diffusion:LocalClipGuidedDiffusion",
    "blended-latent-diffusion": "scumble.methods.inpainting.blended_latent_diffusion:BlendedLatentDiffusion",
    "paint-by-word": "scumble.methods.inpainting.paint_by_word:PaintByWord",
    "prompt-to-prompt": "scumble.methods.attention.prompt_to_prompt:PromptToPrompt",
    "plug-and-play": "scumble.methods.attention.plug_and_play:PlugAndPlay",
    "drag-noise": "scumble.methods.drag.drag_noise:DragNoise",
    "drag-diffusion": "scumble.methods.drag.drag_diffusion:DragDiffusion",
    "warp-drag": "scumble.methods.drag.warp_drag:WarpDrag",
    "self-guidance": "scumble.methods.guidance.self_guidance:SelfGuidance",
    "pix2pix-zero": "scumble.methods.attention.pix2pix_zero:Pix2PixZero",
    "asyrp": "scumble.methods.asyrp.asyrp:Asyrp",
    "diffuseit": "scumble.methods.guidance.diffuseit:DiffuseIT",
}
"""Canonical name -> ``module:Class``."""

ALIASES = {
    "txt2img": "text-to-image",
    "img2img": "sdedit",
    "diffdiff": "differential-diffusion",
    "edit-friendly": "ddpm-inversion",
    "edit-friendly-ddpm": "ddpm-inversion",
    "naive-inversion": "cycle-diffusion",
    "ledits++": "ledits",
    "ledits-pp": "ledits",
    "blended": "blended-latent-diffusion",
    "bld": "blended-latent-diffusion",
    "local-clip": "local-clip-guided-diffusion",
    "paint-by-word++": "paint-by-word",
    "p2p": "prompt-to-prompt",
    "pnp": "plug-and-play",
    "warp": "warp-drag",
}
"""Names that people type."""


def method_names() -> list[str]:
    """All canonical names, in the order of the documentation."""
    return list(METHODS)


def method_class(name: str) -> type:
    """Return the class of a method by its name in any usual spelling.

    Raises:
        InputError: For an unknown name, with the nearest known ones.
    """
    key = name.strip().replace("_", "-").lower()
    key = ALIASES.get(key, key)
    squeezed = {known.replace("-", ""): known for known in METHODS}
    key = squeezed.get(key.replace("-", ""), key)
    if key not in METHODS:
        known = [*METHODS, *ALIASES]
        raise InputError(f"unknown method {name!r}{nearest(key, known)}; known: {', '.join(METHODS)}")
    module, _, attribute = METHODS[key].partition(":")
    cls: type = getattr(importlib.import_module(module), attribute)
    return cls
