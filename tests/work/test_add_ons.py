"""What is put on a model in a list is looked at before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.errors import InputError
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


def test_one_model_with_different_things_on_it_is_one_list(inputs: Path) -> None:
    ip = {"ip_adapter": {"path": "ip/ip-adapter.safetensors"}, "ip_image": {"path": "shown.png"}, "ip_scale": 0.5}
    control = {"control": {"path": "canny"}, "control_image": {"path": "shown.png"}}
    models = ({"name": TINY}, {"name": TINY, **ip}, {"name": TINY, **control}, {"name": TINY, **ip, "ip_scale": 1.0})
    lines = [{"id": f"l{k}", "prompt": "a cube", "model": model} for k, model in enumerate(models)]
    with Batch(write(inputs / "list.jsonl", *lines), inputs / "out", workers=1) as results:
        done = list(results)
    assert {one.id: (one.state, one.error) for one in done} == {f"l{k}": ("done", None) for k in range(4)}
    assert len({(inputs / "out" / f"l{k}.png").read_bytes() for k in range(4)}) == 4
