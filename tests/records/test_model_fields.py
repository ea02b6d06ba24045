"""What is put on a model stands in a list under the names that the flags have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import pytest
from PIL import Image

from scumble.cli.batch import _fields
from scumble.cli.model_flags import ModelFlags
from scumble.methods.registry import method_class, method_names
from scumble.records.list_lines import Line
from scumble.records.request import Request
from scumble.records.settle import FLAT, settle
from scumble.records.wishes import Wishes

LINE = {"method": "text-to-image"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("l.safetensors", "m.safetensors", "word.safetensors", "vae.safetensors", "ip.safetensors"):
        (tmp_path / name).write_bytes(b"weights")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "config.json").write_text("{}")
    Image.new("RGB", (8, 8)).save(tmp_path / "edges.png")
    return tmp_path


def request(fields: dict[str, Any], folder: Path, **wishes: Any) -> Request:
    (one,) = settle([Line("l.jsonl", 1, {**LINE, **fields}, str(folder))], Wishes(**wishes))
    assert one.request is not None, one.problems
    return one.request


def test_flat_fields_are_those_of_the_block(folder: Path) -> None:
    flat = {"model": "still-life", "lora": ["l.safetensors:0.5", "m.safetensors"], "vae": "vae.safetensors",
            "textual_inversion": "word.safetensors", "clip_skip": 1, "control": "net", "control_image": "edges.png",
            "control_scale": 0.5, "ip_adapter": "ip.safetensors", "ip_image": "edges.png", "offload": "model",
            "prompt_syntax": "weighted"}  # fmt: skip
    adapters = [{"file": {"path": "l.safetensors"}, "weight": 0.5}, {"file": {"path": "m.safetensors"}}]
    block = {"name": "still-life", "adapters": adapters, "embeddings": ["word.safetensors"],
             **{name: flat[name] for name in FLAT if name in flat}}  # fmt: skip
    one = request(flat, folder)
    assert one.model.adapters[0].weight == 0.5 and one.model.ip_image is not None
    assert one.line() == request({"model": block}, folder).line()


def test_flags_of_a_batch_are_those_of_an_edit(folder: Path) -> None:
    words = ["--lora", "l.safetensors:0.5", "--lora=m.safetensors", "--ip-adapter", "ip.safetensors", "--ip-image",
             "edges.png", "--weighted-prompt", "--clip-skip", "1"]  # fmt: skip
    model = request({}, folder, flags=_fields(words)).model
    assert [one.weight for one in model.adapters] == [0.5, 1.0] and model.clip_skip == 1
    assert model.prompt_syntax == "weighted" and model.ip_adapter is not None
    asked = {"model", "lora", "textual_inversion", "weighted_prompt", "device", "config", *FLAT}
    assert set(get_type_hints(ModelFlags)) <= asked


def test_no_method_has_a_field_of_that_name() -> None:
    for name in method_names():
        kind: Any = method_class(name)
        assert not {*FLAT, "lora", "textual_inversion"} & set(kind.model_fields), name


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ip_image": "net"}, "model.ip_image: 'net' is a folder"),
        ({"ip_image": "ip.safetensors"}, "model.ip_image: 'ip.safetensors' is no picture that can be read"),
        ({"control": "nets"}, "model.control: 'nets' does not exist (did you mean net?)"),
        ({"lora": "l.safetensors:much"}, "the weight must be a number"),
        ({"lora": [3, {}]}, "lora"),
        ({"clip_skip": "x"}, "clip_skip"),
        ({"loras": "x"}, "unknown field 'loras' (did you mean lora"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(fields: dict[str, Any], expected: str, folder: Path) -> None:
    (one,) = settle([Line("l.jsonl", 1, {**LINE, **fields}, str(folder))], Wishes())
    assert one.request is None and len(one.problems) == 1
    assert expected in one.problems[0].text and "\n" not in one.problems[0].text
