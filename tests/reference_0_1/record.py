"""Record edits by version 0.1 (commit 60c48b7) on the tiny networks, so that later versions can be held to them.

Run once with that version: ``python tests/reference_0_1/record.py``. It writes small pictures with their recipes, the
inputs, and inversion files. It is kept to show how they were made; later versions cannot run it.

``another_processor`` in recorded.json holds hashes of the pixels that the same version made of the same inversion files
on another kind of processor, where single bits of the networks differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import scumble
from scumble.editing.editor import Editor
from scumble.methods.extras.extras import Paint, Present, Say, Shift, Wish
from scumble.methods.guidance.reference import Reference
from scumble.methods.registry import method_class
from tests.support.blended import tiny_ddpm

HERE = Path(__file__).parent
OUT = HERE / "recipes"
TINY = HERE.parent / "reference"

CAT, DOG = "a photo of a cat", "a photo of a dog"
POINTS = ((10.0, 16.0, 18.0, 16.0),)
DRAG: dict[str, Any] = {"points": POINTS, "num_inference_steps": 5, "iterations": 2, "prompt": CAT}


def inputs() -> None:
    """Write the edited picture, a soft map, a mask, another picture and lists of sentences."""
    y, x = np.mgrid[0:36, 0:44] / 40
    rgb = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x) * np.cos(7 * y)], -1)
    Image.fromarray((rgb.clip(0, 1) * 255).astype(np.uint8)).save(OUT / "in.png")
    Image.fromarray((rgb[::-1, :, ::-1].clip(0, 1) * 255).astype(np.uint8)).save(OUT / "other.png")
    Image.fromarray((np.clip(x * 1.2 - 0.1, 0, 1) * 255).astype(np.uint8)).save(OUT / "map.png")
    mask = np.zeros((36, 44), np.uint8)
    mask[6:30, 6:36] = 255
    Image.fromarray(mask).save(OUT / "mask.png")
    Image.fromarray(mask).resize((192, 128)).save(OUT / "paint.png")
    (OUT / "cats.txt").write_text("a photo of a cat\na cat on grass\n")
    (OUT / "dogs.txt").write_text("a photo of a dog\na dog on grass\n")


def shift(model: Any) -> None:
    """Write a direction of the bottleneck: the same drawn shift of every channel at every place."""
    from scumble.methods.asyrp.direction import About, Direction

    channels = model.denoiser.config.block_out_channels[-1]
    means = {-1: torch.randn(1, channels, 1, 1, generator=torch.Generator().manual_seed(0))}
    about = About(t_edit=400, t_boost=150, steps=5, model=model.name, model_sha256=model.weights_hash)
    Direction(about, None, means).save(OUT / "shift.safetensors")


def main() -> None:
    """Record all cases."""
    torch.set_num_threads(1)
    inputs()
    editors = {
        "tiny-sd": Editor.from_pretrained(TINY / "tiny-sd", device="cpu"),
        "tiny-ddpm": Editor(tiny_ddpm()),
    }
    shift(editors["tiny-sd"].model)
    made: dict[str, Any] = {}

    def case(
        name: str,
        method: str,
        seed: int = 3,
        count: int = 1,
        *,
        model: str = "tiny-sd",
        batch: int | None = None,
        save: tuple[int, ...] = (),
        source: str | None = "in.png",
        mask: str | None = None,
        inversion: str | None = None,
        also: Any = (),
        **fields: Any,
    ) -> None:
        if mask:
            fields["change_map"] = OUT / mask
        editor, built = editors[model], method_class(method)(**fields)
        options: dict[str, Any] = {"seed": seed, "count": count, "batch_size": batch, "also": also}
        try:
            if source is None:
                result = editor.generate(built, **options)
            else:
                inv = None if inversion is None else OUT / inversion
                result = editor.edit(OUT / source, built, inversion=inv, **options)
        except scumble.ScumbleError as error:
            sys.exit(f"{name}: {error}")
        from scumble.images import save_image
        from scumble.records.metadata import embed

        for k in save or range(len(result.images)):
            file = f"{name}.png" if len(result.images) == 1 else f"{name}-{k}.png"
            save_image(result.images[k], OUT / file, embed(result.recipe_of(k).model_dump(mode="json")))
            made[file] = {"model": model}
        print(name, result.cost.forward_rows, flush=True)

    base, soft, hard = {"num_inference_steps": 4, "prompt": DOG}, "map.png", "mask.png"
    # Image to image.
    for solver in ("ddim", "dpmpp_2m", "plms"):
        case(f"text-{solver}", "text-to-image", source=None, solver=solver, width=64, height=64, **base)
    case("text-eta", "text-to-image", 5, 3, source=None, batch=2, save=(2,), eta=1.0, width=64, height=64, **base)
    case("text-pixel", "text-to-image", source=None, model="tiny-ddpm", num_inference_steps=4)
    case("sdedit", "sdedit", **base)
    case("sdedit-map", "sdedit", 3, 3, batch=2, save=(0, 2), mask=soft, repeats=2, eta=0.5, feather=3, **base)
    case("sdedit-diffusers", "sdedit", mask=soft, compat="diffusers", strength=0.7, **base)
    case("sdedit-keeps", "sdedit", mask=soft, polarity="white-keeps", guidance_scale=1.0, **base)
    case("sdedit-pixel", "sdedit", model="tiny-ddpm", num_inference_steps=5)
    diff = "differential-diffusion"
    case("differential", diff, 3, 3, batch=2, save=(0, 2), mask=soft, **base)
    case("differential-weak", diff, mask=soft, strength=0.7, map_resize="max", negative_prompt="a cat", **base)
    case("differential-ablation", diff, mask=soft, nested=False, fresh_noise=True, eta=1.0, **base)
    case("differential-official", diff, mask=soft, compat="official", **base)
    case("differential-plms", diff, mask=soft, solver="plms", strength=0.8, **base)
    # On an inversion.
    words = {"source_prompt": CAT, **base}
    case("ddim", "ddim-inversion", mask=soft, **words)
    case("ddim-exact", "ddim-inversion", iterations=3, direct=True, skip=0.25, source_guidance_scale=2.0, **words)
    case("ddim-pixel", "ddim-inversion", model="tiny-ddpm", num_inference_steps=5)
    case("edit-friendly", "ddpm-inversion", 3, 3, batch=2, save=(0, 2), mask=soft, **words)
    case("edit-friendly-official", "ddpm-inversion", compat="official", **words)
    case("edit-friendly-sequential", "ddpm-inversion", mode="sequential", eta=0.5, skip=0.5, **words)
    case("edit-friendly-moved", "ddpm-inversion", shift=(8, 0), flip="horizontal", exposed="fresh", mask=hard, **words)
    case("edit-friendly-tinted", "ddpm-inversion", colour="red", mask=hard, num_inference_steps=4)
    several = {**words, "prompt": (DOG, "a photo of a bird")}
    case("edit-friendly-prompts", "ddpm-inversion", 3, 2, save=(1,), **several)
    case("edit-friendly-pixel", "ddpm-inversion", model="tiny-ddpm", num_inference_steps=5)
    case("cycle", "cycle-diffusion", 3, 3, batch=2, save=(2,), mask=soft, **words)
    # Attention.
    p2p = "prompt-to-prompt"
    case("p2p-seed", p2p, source=None, width=64, height=64, **words)
    case("p2p-picture", p2p, mask=soft, **words)
    case("p2p-ddim", p2p, trajectory="ddim", blend_words=("cat", "dog"), inversion_iterations=2, **words)
    case("p2p-weights", p2p, word_weights={"dog": 2.0}, word_windows={"dog": 0.2}, **base)
    case("p2p-official", p2p, compat="official", mode="replace", **words)
    pnp = "plug-and-play"
    case("pnp", pnp, 3, 3, batch=2, save=(2,), mask=soft, **words)
    case("pnp-edit-friendly", pnp, trajectory="edit-friendly", cache=False, **words)
    case("pnp-official", pnp, compat="official", **words)
    zero = "pix2pix-zero"
    case("zero", zero, 3, 3, batch=1, save=(0,), mask=soft, rounds=1, **words)
    turn = {"source_word": "cat", "target_word": "dog", "num_inference_steps": 4, "source_prompt": CAT}
    case("zero-words", zero, rounds=1, **turn)
    lists = {"source_sentences": str(OUT / "cats.txt"), "target_sentences": str(OUT / "dogs.txt")}
    case("zero-sentences", zero, rounds=0, source_prompt=CAT, num_inference_steps=4, **lists)
    case("zero-seed", zero, source=None, width=64, height=64, **words)
    case("zero-official", zero, compat="official", rounds=1, **words)
    # Guidance.
    guide = "self-guidance"
    case("guide-seed", guide, source=None, width=64, height=64, move={"dog": (0.2, 0.0)}, **base)
    case("guide-ddim", guide, mask=soft, resize={"dog": 1.5}, rotate={"dog": 20.0}, **base)
    case("guide-noised", guide, trajectory="noised", start=0.8, put={"dog": (0.3, 0.6)}, **base)
    case("guide-edit-friendly", guide, trajectory="edit-friendly", move={"dog": (0.2, 0.0)}, by="centre", **base)
    case("guide-official", guide, trajectory="noised", compat="official", move={"dog": (0.2, 0.0)}, **base)
    reference = Reference(image=str(OUT / "other.png"), prompt=CAT, words={"dog": "cat"}, take=("look", "colour"))
    case("guide-reference", guide, references=(reference,), **base)
    light = {"augmentations": 2, "num_inference_steps": 5}
    case("diffuseit", "diffuseit", prompt=DOG, source_prompt=CAT, clip_weight=1.0, mask=soft, **light)
    case("diffuseit-target", "diffuseit", target_image=str(OUT / "other.png"), **light)
    case("diffuseit-pixel", "diffuseit", model="tiny-ddpm", prompt=DOG, **light)
    ancestral = {"solver": "ddpm", "resample": 2, "restarts": 1}
    case("diffuseit-ancestral", "diffuseit", 3, 2, save=(1,), model="tiny-ddpm", prompt=DOG, **ancestral, **light)
    case("diffuseit-official", "diffuseit", model="tiny-ddpm", prompt=DOG, compat="official", **light)
    # Inpainting.
    blended = {"model": "tiny-ddpm", "mask": hard, "num_inference_steps": 5, "augmentations": 2}
    case("blended", "blended-diffusion", 3, 3, batch=2, save=(0,), prompt=DOG, **blended)
    case("blended-filled", "blended-diffusion", **blended)
    case("blended-official", "blended-diffusion", prompt=DOG, compat="official", **blended)
    case("local-clip", "local-clip-guided-diffusion", prompt=DOG, solver="ddim", eta=0.5, **blended)
    latent = "blended-latent-diffusion"
    case("latent", latent, 3, 3, batch=2, save=(0,), mask=hard, **base)
    case("latent-filled", latent, mask=hard, num_inference_steps=4)
    case("latent-outside", latent, mask=hard, invert_mask=True, enforce_background=False, **base)
    case("latent-official", latent, mask=hard, compat="official", **base)
    paint = {"mask": hard, "iterations": 3, "augmentations": 2}
    case("paint-by-word", "paint-by-word", prompt=DOG, **paint)
    # Drags.
    case("drag-noise", "drag-noise", mask=hard, **DRAG)
    case("drag-noise-latent", "drag-noise", mask=hard, start="picture", mask_term="latent", **DRAG)
    case("drag-noise-official", "drag-noise", mask=hard, compat="official", **DRAG)
    case("drag-diffusion", "drag-diffusion", mask=hard, **DRAG)
    case("drag-diffusion-guided", "drag-diffusion", guidance_scale=2.0, start="picture", **DRAG)
    case("drag-diffusion-official", "drag-diffusion", mask=hard, compat="official", **DRAG)
    case("drag-lora", "drag-diffusion", lora_steps=2, lora_rank=2, **DRAG)
    case("warp", "warp-drag", 3, 2, save=(1,), points=POINTS, prompt=CAT, mask=hard, num_inference_steps=4)
    case("warp-preview", "warp-drag", points=POINTS, preview=True, reach=9.0)
    act = {"directions": (str(OUT / "shift.safetensors"),), "num_inference_steps": 5}
    case("asyrp", "asyrp", strengths=(0.5,), prompt=CAT, mask=soft, **act)
    case("asyrp-official", "asyrp", compat="official", prompt=CAT, **act)
    # What acts besides.
    case("also-paint", "sdedit", also=[Paint(colour="red", mask=OUT / "paint.png", weight=0.5)], **base)
    case("also-say", "sdedit", also=[Say(text=DOG, copies=2, begin=0.25)], **base)
    case("also-present", "text-to-image", source=None, width=64, height=64, also=[Present(words=("dog",))], **base)
    case("also-shift", "sdedit", also=[Shift(directions=(str(OUT / "shift.safetensors"),))], **base)
    case("also-wish", "sdedit", also=[Wish(move={"dog": (0.1, 0.0)})], **base)
    # Inversion files of each kind, and edits from them.
    kinds: tuple[Any, ...] = ("edit-friendly", "naive", "ddim")
    for kind, use in zip(kinds, ("ddpm-inversion", "cycle-diffusion", "ddim-inversion"), strict=True):
        file = f"{kind}.inversion.safetensors"
        skip = None if kind == "ddim" else 0.5
        found = editors["tiny-sd"].invert(
            OUT / "in.png", prompt=CAT, method=kind, num_inference_steps=4, skip=skip, seed=7
        )
        found.save(OUT / file)
        case(f"from-{kind}", use, inversion=file, mask=soft, prompt=DOG)
    case("from-ddim-p2p", p2p, inversion="ddim.inversion.safetensors", prompt=DOG)
    case("from-ddim-pnp", pnp, inversion="ddim.inversion.safetensors", prompt=DOG)
    case("from-ddim-zero", zero, inversion="ddim.inversion.safetensors", prompt=DOG, num_inference_steps=4)
    case("from-ddim-guide", guide, inversion="ddim.inversion.safetensors", prompt=CAT, move={"cat": (0.2, 0.0)})
    case("from-more", "ddpm-inversion", inversion="edit-friendly.inversion.safetensors", skip=0.25, prompt=DOG)
    environment = {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability(), "threads": 1}
    about = {"version": "0.1", "commit": "60c48b7", "environment": environment, "pictures": made}
    (HERE / "recorded.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
