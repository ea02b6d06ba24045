"""A picture as a prompt (IP-Adapter) and a picture's description (``auto``), in lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.errors import InputError
from scumble.records.list_lines import Line
from scumble.records.settle import settle
from scumble.records.wishes import Wishes
from scumble.work.attempt import Attempt
from tests.models.test_image_prompt import adapter
from tests.work.test_batch import TINY

QUICK = {"method": "text-to-image", "prompt": "a", "num_inference_steps": 1, "width": 64, "height": 64, "seed": 1,
         "model": TINY}  # fmt: skip


def made(folder: Path, **fields: Any) -> tuple[np.ndarray[Any, Any], str]:
    """The pixels of a line's result, and the key of its request."""
    (one,) = settle([Line("l.jsonl", 1, {**QUICK, **fields}, str(folder))], Wishes())
    assert one.request is not None, one.problems
    attempt = Attempt(str(folder), "token")
    outcome = attempt.make({"request": one.request.model_dump(mode="json"), "output": "a.png"}, lambda *_, **__: None,
                           lambda *_: False)  # fmt: skip
    with Image.open(folder / outcome["files"][0]["temporary"]) as picture:
        return np.asarray(picture), outcome["key"]


def test_an_ip_adapter_of_a_line_acts_and_its_picture_is_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import UNet2DConditionModel

    monkeypatch.chdir(tmp_path)
    adapter(tmp_path, UNet2DConditionModel.from_pretrained(TINY, subfolder="unet"))
    for name, color in (("red.png", (250, 20, 20)), ("blue.png", (10, 30, 240))):
        Image.new("RGB", (40, 40), color).save(tmp_path / name)
    given = {"ip_adapter": "ip-adapter.safetensors", "ip_scale": 1.0}
    plain, red, blue = made(tmp_path), *(made(tmp_path, **given, ip_image=f"{name}.png") for name in ("red", "blue"))
    assert len({key for _, key in (plain, red, blue)}) == 3
    assert not np.array_equal(red[0], blue[0]) and not np.array_equal(red[0], plain[0])


def test_a_source_prompt_is_described_once_where_the_request_is_settled(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "p.png")
    line = Line("l.jsonl", 1, {"method": "ddpm-inversion", "image": "p.png", "source_prompt": "auto", "prompt": "b",
                               "model": "still-life"}, str(tmp_path))  # fmt: skip
    asked: list[tuple[str, str | None]] = []

    def describe(path: str, model: str | None) -> str:
        asked.append((path, model))
        return "a red cube"

    (one,) = settle([line], Wishes(describe=describe))
    assert one.request is not None and one.request.parameters["source_prompt"] == "a red cube"
    assert asked == [(str(tmp_path / "p.png"), "still-life")]

    def cannot(path: str, model: str | None) -> str:
        raise InputError("the picture is not of its world")

    (one,) = settle([line], Wishes(describe=cannot))
    assert one.request is None and one.problems[0].text == "the picture is not of its world"
