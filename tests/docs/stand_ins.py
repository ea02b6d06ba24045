"""What stands for what only a reader has: a photo, a checkpoint with a LoRA, a GPU, and time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextModel

from tests.models.loading.test_add_ons import lora_state

FEW = 4
"""Steps of an edit, where a page has its method's usual number."""


def here(code: str, checkpoint: Path) -> str:
    """Put what is here in place of what only a reader has: a checkpoint, a GPU, many steps."""
    code = re.sub(r"/path/to/[\w./-]+|\bcheckpoint\.safetensors\b|\bowner/name\b", str(checkpoint), code)
    code = re.sub(r"--device cuda( --dtype float16)?", "--device cpu", code).replace('"cuda"', '"cpu"')
    return re.sub(r"(--steps |--iterations |num_inference_steps=)(\d\d+)", rf"\g<1>{FEW}", code)


def short(words: list[str]) -> list[str]:
    """The same command, but short: few steps, one worker."""
    if words[1] == "batch" and "-o" in words:
        return [*words, *(["--steps", str(FEW)] if words[2].endswith("/") else []), "--workers", "1"]
    settled = {"--steps", "--iterations", "--inversion", "--directions", "--preview", "--few-steps"} & set(words)
    drawing = words[1] in ("edit", "generate", "invert", "drag")
    return [*words, "--steps", str(FEW)] if drawing and not settled else words


def photographs(folder: Path) -> None:
    """What pages take for granted: a photo, some shots with their masks, a list of them."""
    y = Image.linear_gradient("L").resize((480, 440))
    picture = Image.merge("RGB", (y, y.rotate(180), Image.new("L", y.size, 90)))
    mask = Image.new("L", y.size)
    mask.paste(255, (200, 120, 420, 400))
    (folder / "shots").mkdir()
    for name in ("photo.jpg", "in.png", "cat.jpg", "shots/cat.jpg", "shots/car.jpg"):
        picture.save(folder / name)
    for name in ("shots/cat_mask.png", "shots/car_mask.png"):
        mask.save(folder / name)
    defaults = {"scumble-batch": 1, "defaults": {"method": "sdedit", "num_inference_steps": FEW}}
    lines = [{"image": f"shots/{name}.jpg", "prompt": "in the rain"} for name in ("cat", "car")]
    (folder / "list.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in (defaults, *lines)))


def loras(folder: Path, checkpoint: Path) -> None:
    """Two random LoRAs that fit the checkpoint, by the names that pages give them."""
    unet = UNet2DConditionModel.from_pretrained(checkpoint / "unet")
    parts = SimpleNamespace(unet=unet, text_encoder=CLIPTextModel.from_pretrained(checkpoint / "text_encoder"))
    for name in ("watercolor", "lcm"):
        save_file(lora_state(parts, "kohya", text=False), folder / f"{name}.safetensors")
