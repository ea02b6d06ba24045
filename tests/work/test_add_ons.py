"""What is put on a model is put on it in a list, too: a worker makes the pictures that the editor makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.errors import InputError
from scumble.records.metadata import read_metadata
from scumble.work.batch import Batch
from tests.models.test_image_prompt import adapter
from tests.support.tiny import make_controlnet

TINY = str(Path(__file__).parents[1] / "reference" / "tiny-sd")
HEADER = {
    "scumble-batch": 1, "defaults": {"method": "sdedit", "num_inference_steps": 2, "image": "in.png", "seed": 3},
}  # fmt: skip


@pytest.fixture
def inputs(tmp_path: Path, tiny_editor: scumble.Editor) -> Path:
    """A picture, another to be shown, an IP-Adapter and a ControlNet."""
    for k, name in enumerate(("in", "shown")):
        pixels = np.random.default_rng(k).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "ip").mkdir()
    adapter(tmp_path / "ip", tiny_editor.model.denoiser)
    make_controlnet(tiny_editor.model.denoiser, halvings=3).save_pretrained(tmp_path / "canny")
    return tmp_path


def write(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(one) for one in (HEADER, *lines)), encoding="utf-8")
    return path


def test_an_ip_adapter_and_a_controlnet_act_in_a_batch_as_in_an_edit(inputs: Path) -> None:
    told = {"name": TINY, "ip_adapter": {"path": "ip"}, "ip_image": {"path": "shown.png"}, "ip_scale": 0.7}
    led = {"name": TINY, "control": {"path": "canny"}, "control_image": {"path": "shown.png"}}
    lines = [{"id": f"ip{k}", "prompt": f"cube {k}", "model": told} for k in range(2)]
    listed = write(inputs / "list.jsonl", *lines, {"id": "led", "prompt": "cube 0", "model": led})
    with Batch(listed, inputs / "out", workers=1, group=2) as results:
        assert [one.state for one in results] == ["done"] * 3
    shown = inputs / "shown.png"
    editors = {
        "ip": scumble.Editor.from_pretrained(
            TINY, device="cpu", ip_adapter=inputs / "ip", ip_image=shown, ip_scale=0.7
        ),
        "led": scumble.Editor.from_pretrained(TINY, device="cpu", control=inputs / "canny", control_image=shown),
    }
    plain = scumble.Editor.from_pretrained(TINY, device="cpu")
    for name, prompt in (("ip0", "cube 0"), ("ip1", "cube 1"), ("led", "cube 0")):
        method = scumble.SDEdit(prompt=prompt, num_inference_steps=2)
        with Image.open(inputs / "out" / f"{name}.png") as file:
            made = np.asarray(file.convert("RGB")).astype(int)
        wanted, other = (
            np.asarray(editor.edit(inputs / "in.png", method, seed=3).image).astype(int)
            for editor in (editors[name.rstrip("01")], plain)
        )
        assert np.abs(made - wanted).max() <= 1
        assert np.abs(made - other).max() > 1
    settings = read_metadata(inputs / "out" / "ip0.png")["model_settings"]
    assert settings["ip_image"]["name"] == "shown.png" and settings["ip_scale"] == 0.7


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ({"ip_adapter": {"path": "nowhere"}, "ip_image": {"path": "shown.png"}}, "nowhere"),
        ({"ip_adapter": {"path": "ip"}, "ip_image": {"path": "ip"}}, "is a folder"),
        ({"control": {"path": "canny"}, "control_image": {"path": "list.jsonl"}}, "no picture"),
    ],
)
def test_what_does_not_fit_is_said_of_its_line_before_anything_runs(inputs: Path, model: Any, word: str) -> None:
    listed = write(inputs / "list.jsonl", {"id": "a", "prompt": "a cube", "model": {"name": TINY, **model}})
    with pytest.raises(InputError, match=word), Batch(listed, inputs / "out", workers=1):
        pass
