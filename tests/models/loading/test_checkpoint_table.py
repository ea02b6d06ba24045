"""The table of docs/checkpoints.md is what a run gives: every kind of checkpoint, tiny, tried with everything."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import scumble
from scumble.errors import ScumbleError
from tests.models.loading.test_add_ons import lora_state
from tests.models.test_image_prompt import adapter
from tests.support.original_layout import original_state
from tests.support.tiny import make_controlnet, make_unet

PAGE = Path(__file__).parents[3] / "docs" / "checkpoints.md"
PHOTO = Image.fromarray(np.random.default_rng(4).integers(0, 255, (16, 16, 3), dtype=np.uint8))
MAP = np.zeros((16, 16), np.float32)
MAP[4:12, 4:12] = 1
TWO: dict[str, Any] = {"num_inference_steps": 2}
KNOWN: dict[str, Any] = {"prompt": "a red cube", "source_prompt": "a big cube", **TWO}

Make = Callable[..., scumble.Editor]
"""The editor of a checkpoint with what is put on it."""


def from_words(make: Make, pipe: Any, folder: Path) -> None:
    make().generate(scumble.TextToImage(prompt="a cube", width=16, height=16, **TWO), seed=1)


def a_map(make: Make, pipe: Any, folder: Path) -> None:
    if make().model.picture_channels:
        method: Any = scumble.Instruct(prompt="make it red", change_map=MAP, **TWO)
    else:
        words = {"prompt": "a cube"} if make().model.takes_text else {}
        method = scumble.DifferentialDiffusion(**words, change_map=MAP, feather=0, **TWO)
    made = np.asarray(make().edit(PHOTO, method, seed=1).image)
    assert np.array_equal(made[MAP == 0], np.asarray(PHOTO)[MAP == 0])


def inversion(make: Make, pipe: Any, folder: Path) -> None:
    editor = make()
    assert editor.invert(PHOTO, seed=1, **TWO).error["latent_max"] < 1e-3
    editor.edit(PHOTO, scumble.DDPMInversion(**TWO), seed=1)


def exchanged_words(make: Make, pipe: Any, folder: Path) -> None:
    make().edit(PHOTO, scumble.PromptToPrompt(**KNOWN), seed=1)


def drag(make: Make, pipe: Any, folder: Path) -> None:
    method = scumble.DragNoise(points=((4, 4, 9, 4),), iterations=1, **TWO)
    make().edit(PHOTO, method, seed=1)


def long_prompt(make: Make, pipe: Any, folder: Path) -> None:
    prompt, editor = "a red cube on sand " * 4, make()
    method = scumble.Instruct if editor.model.picture_channels else scumble.SDEdit
    editor.edit(PHOTO, method(prompt=prompt, **TWO), seed=1)


def lora(make: Make, pipe: Any, folder: Path) -> None:
    file = folder / "lora.safetensors"
    words = hasattr(pipe, "text_encoder")
    save_file(lora_state(pipe, "peft", text=False) if words else {"unet.lora_A.weight": torch.zeros(1)}, file)
    make(lora=file)


def controlnet(make: Make, pipe: Any, folder: Path) -> None:
    unet = pipe.unet if pipe.unet.config.in_channels == 4 else make_unet()
    make_controlnet(unet).save_pretrained(folder / "control")
    editor = make(control=folder / "control", control_image=PHOTO)
    a_map(lambda: editor, pipe, folder)


def ip_adapter(make: Make, pipe: Any, folder: Path) -> None:
    adapter(folder, pipe.unet if hasattr(pipe, "text_encoder") else make_unet())
    make(ip_adapter=folder, ip_image=PHOTO).edit(PHOTO, scumble.SDEdit(prompt="a cube", **TWO), seed=1)


WHAT = (from_words, a_map, inversion, exchanged_words, drag, long_prompt, lora, controlnet, ip_adapter)


def with_parts(pipe: Any, **parts: Any) -> Any:
    changed = copy.copy(pipe)
    for name, part in parts.items():
        object.__setattr__(changed, name, part)
    return changed


def kinds(sd: Any, xl: Any, pixel: Any, folder: Path) -> dict[str, tuple[Any, Make]]:
    """Every kind that loads: its pipeline, and how an editor is made of it."""
    from diffusers import DDIMScheduler, LCMScheduler

    sd.save_pretrained(folder / "sd")
    xl.save_pretrained(folder / "xl")
    pixel.save_pretrained(folder / "pixel")
    save_file(original_state(sd), folder / "file.safetensors")
    v = {**sd.scheduler.config, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    second = with_parts(sd, scheduler=DDIMScheduler.from_config({**v, "timestep_spacing": "trailing"}))
    few = with_parts(sd, scheduler=LCMScheduler.from_config(sd.scheduler.config))
    full = with_parts(few, unet=make_unet(time_cond_proj_dim=8))
    asked = with_parts(sd, unet=make_unet(in_channels=8))
    for name, pipe in {"v": second, "few": few, "full": full, "asked": asked}.items():
        pipe.save_pretrained(folder / name)

    def pretrained(name: str, **fixed: Any) -> Make:
        return lambda **told: scumble.Editor.from_pretrained(folder / name, device="cpu", **fixed, **told)

    return {
        "Stable Diffusion 1, folder": (sd, pretrained("sd")),
        "Stable Diffusion 1, one file": (sd, pretrained("file.safetensors", config=folder / "sd")),
        "Stable Diffusion 2 (v, down to pure noise), folder": (second, pretrained("v")),
        "Stable Diffusion XL, folder": (xl, pretrained("xl")),
        "few steps (LCM, TCD scheduler), folder": (few, pretrained("few")),
        "full LCM (guidance as an input), folder": (full, pretrained("full")),
        "instructions (InstructPix2Pix), folder": (asked, pretrained("asked")),
        "pixels (DDPM), folder": (pixel, pretrained("pixel")),
    }


def refused(sd: Any, folder: Path) -> dict[str, Callable[[], object]]:
    """Every kind that does not load."""
    files: dict[str, list[str]] = {
        "FLUX, one file": ["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"],
        "Stable Diffusion 3, one file": ["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"],
        "a U-Net alone": ["model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.out.2.weight"],
        "an autoencoder as the model": ["first_stage_model.encoder.conv_in.weight", "first_stage_model.decoder.a"],
        "a LoRA as the model": ["lora_unet_down_blocks_0.lora_down.weight"],
        "a ControlNet as the model": ["control_model.input_blocks.0.0.weight"],
        "an IP-Adapter as the model": ["ip_adapter.1.to_k_ip.weight", "image_proj.proj.weight"],
        "learned words as the model": ["emb_params"],
    }
    for k, keys in enumerate(files.values()):
        (folder / str(k)).mkdir()
        save_file({key: torch.zeros(1) for key in keys}, folder / str(k) / "model.safetensors")
    (folder / "model.ckpt").write_bytes(b"\x80\x02}q\x00.")
    (folder / "model.gguf").write_bytes(b"GGUF")
    pipes: dict[str, Any] = {
        "an inpainting U-Net": {"unet": make_unet(in_channels=9)},
        "a depth U-Net": {"unet": make_unet(in_channels=5)},
        "a U-Net of classes": {"unet": make_unet(num_class_embeds=3)},
        "an IP-Adapter": {"unet": make_unet(encoder_hid_dim=16, encoder_hid_dim_type="text_proj")},
        "a ControlNet without its picture": {"controlnet": object()},
        "a motion adapter": {"motion_adapter": object()},
    }

    def of_file(path: Path) -> Callable[[], object]:
        return lambda: scumble.Editor.from_pretrained(path, device="cpu")

    def of_pipe(parts: dict[str, Any]) -> Callable[[], object]:
        return lambda: scumble.Editor.from_pipe(with_parts(sd, **parts))

    named = {name: of_file(folder / str(k) / "model.safetensors") for k, name in enumerate(files)}
    others = {"a pickle": of_file(folder / "model.ckpt"), "a quantized file": of_file(folder / "model.gguf")}
    return {**named, **others, **{name: of_pipe(parts) for name, parts in pipes.items()}}


def does(what: Any, make: Make, pipe: Any, folder: Path) -> str:
    folder.mkdir()
    try:
        what(make, pipe, folder)
    except ScumbleError as error:
        assert "\n" not in str(error)
        return "–"
    return "yes"


def said(call: Callable[[], object]) -> str:
    with pytest.raises(ScumbleError) as error:
        call()
    return str(error.value).replace("|", "\\|")


def table(sd: Any, xl: Any, pixel: Any, folder: Path) -> str:
    heads = [one.__name__.replace("_", " ") for one in WHAT]
    lines = [f"| checkpoint | {' | '.join(heads)} |", "|---" * (len(WHAT) + 1) + "|"]
    for name, (pipe, make) in kinds(sd, xl, pixel, folder).items():
        cells = [does(one, make, pipe, folder / f"{name} {one.__name__}".replace("/", "")) for one in WHAT]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| what does not load | what is said |", "|---|---|"]
    lines += [f"| {name} | {said(call)} |" for name, call in refused(sd, folder).items()]
    return "\n".join(lines)


def test_the_table_of_the_page_is_what_a_run_gives(
    sd_pipe: Any, sdxl_pipe: Any, ddpm_pipe: Any, tmp_path: Path
) -> None:
    made = table(sd_pipe, sdxl_pipe, ddpm_pipe, tmp_path)
    (tmp_path / "table.md").write_text(made, encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    written = page.partition("<!-- made by a test run -->\n\n")[2].partition("\n\n<!-- until here -->")[0]
    assert written == made, f"put {tmp_path / 'table.md'} in place of the tables of {PAGE.name}"
