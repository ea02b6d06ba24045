"""A recipe is data that anybody may have written: it opens nothing, fetches nothing, and fails in one clear line."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, PngImagePlugin

from scumble.editing.editor import Editor
from scumble.editing.redo import redo
from scumble.errors import InputError, ScumbleError
from scumble.methods.attention.pix2pix_zero import Pix2PixZero
from scumble.methods.guidance.diffuseit import DiffuseIT
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.records.metadata import KEY, read_metadata
from scumble.records.recipe import read_recipe


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a recipe reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def write(path: Path, recipe: Any) -> Path:
    texts = PngImagePlugin.PngInfo()
    texts.add_text(KEY, recipe if isinstance(recipe, str) else json.dumps(recipe))
    Image.new("RGB", (64, 64)).save(path, pnginfo=texts)
    return path


@pytest.fixture
def recipe(tiny_editor: Editor, picture: Image.Image, tmp_path: Path) -> dict[str, Any]:
    picture.save(tmp_path / "in.png")
    method = SDEdit(prompt="a dog", num_inference_steps=2)
    (out,) = tiny_editor.edit(tmp_path / "in.png", method, seed=1).save(tmp_path / "out.png")
    return read_metadata(out)


REMOVED = ("method", "parameters", "seed", "size", "model")
WRONG = (
    {"format": 0},
    {"format": "2"},
    {"format": True},
    {"method": "no-such-method"},
    {"method": 7},
    {"method": "__class__"},
    {"parameters": []},
    {"parameters": {"strength": "much"}},
    {"parameters": {"no_such_field": 1}},
    {"seed": -1},
    {"seed": 2**63},
    {"seed": 1.5},
    {"count": 0},
    {"batch_size": 0},
    {"index": 3},
    {"index": -1},
    {"size": [64]},
    {"size": [0, 64]},
    {"size": "64x64"},
    {"input": {"name": "in.png"}},
    {"input": {"name": "in.png", "sha256": "../../etc/passwd"}},
    {"input": "in.png"},
    {"model": None},
    {"model": {"name": "evil/model", "sha256": ""}},
    {"model": {"name": "/dev/zero", "sha256": ""}},
    {"also": [{"kind": "energy"}]},
    {"also": [7]},
    {"also": [{"kind": "paint", "color": "no color"}]},
    {"unknown": 1},
)


@pytest.mark.parametrize("name", REMOVED)
def test_a_missing_field_is_named(recipe: dict[str, Any], tmp_path: Path, tiny_editor: Editor, name: str) -> None:
    del recipe[name]
    with pytest.raises(InputError, match=name):
        redo(write(tmp_path / "bad.png", recipe), editor=tiny_editor)


@pytest.mark.parametrize("change", WRONG, ids=json.dumps)
def test_a_wrong_field_is_refused(recipe: dict[str, Any], tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ScumbleError) as caught:
        redo(write(tmp_path / "bad.png", {**recipe, **change}))
    assert "\n" not in str(caught.value) and "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "{", "[" * 100_000, '{"a":' * 5000, '{"seed": 1e999}', '"\\ud800"', "{}"]
)
def test_json_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        redo(write(tmp_path / "bad.png", text))


def test_a_newer_format_says_which_version_it_needs(recipe: dict[str, Any], tmp_path: Path) -> None:
    newer = {**recipe, "format": 3, "environment": {"scumble": "9.1"}, "something": "new"}
    with pytest.raises(InputError, match=r"format 3: it needs Scumble 9\.1"):
        read_recipe(write(tmp_path / "new.png", newer))


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png", "/dev/zero", "pipe.png", "folder.png", "missing.png"])
def test_files_are_found_by_their_content_and_never_by_a_path(
    recipe: dict[str, Any], tmp_path: Path, tiny_editor: Editor, path: str
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    method = DiffuseIT(target_image=path, num_inference_steps=2).model_dump(mode="json")
    bad = {**recipe, "method": "diffuseit", "parameters": method, "used": {}}
    with pytest.raises(InputError, match="target_image"):
        redo(write(tmp_path / "bad.png", bad), editor=tiny_editor)


def test_other_models_are_loaded_only_when_that_is_allowed(recipe: dict[str, Any], tmp_path: Path) -> None:
    method = DiffuseIT(prompt="a dog", vision="evil/model", num_inference_steps=2).model_dump(mode="json")
    bad = {**recipe, "method": "diffuseit", "parameters": method, "used": {}}
    with pytest.raises(InputError, match="--allow-fetch"):
        redo(write(tmp_path / "bad.png", bad))
    with pytest.raises(InputError, match="--model"):
        redo(write(tmp_path / "bad.png", {**recipe, "model": {"name": "owner/name", "sha256": ""}}))


def test_files_of_a_recipe_are_found_by_hash_after_renaming(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path
) -> None:
    picture.save(tmp_path / "in.png")
    for name, words in (("cats.txt", "a photo of a cat\n"), ("dogs.txt", "a photo of a dog\n")):
        (tmp_path / name).write_text(words)
    method = Pix2PixZero(
        source_prompt="a photo of a cat",
        source_sentences=str(tmp_path / "cats.txt"),
        target_sentences=str(tmp_path / "dogs.txt"),
        num_inference_steps=2,
        rounds=0,
    )
    (out,) = tiny_editor.edit(tmp_path / "in.png", method, seed=1).save(tmp_path / "out.png")
    (tmp_path / "cats.txt").rename(tmp_path / "one.txt")
    (tmp_path / "dogs.txt").rename(tmp_path / "two.txt")
    assert redo(out, editor=tiny_editor).largest == 0
    (tmp_path / "two.txt").write_text("a photo of a bird\n")
    with pytest.raises(InputError, match="target_sentences"):
        redo(out, editor=tiny_editor)


def test_pictures_beside_the_result_that_cannot_be_meant_are_not_decoded(
    recipe: dict[str, Any], tmp_path: Path, tiny_editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.zeros((300, 200), np.uint8)).save(tmp_path / "another.png")
    (tmp_path / "in.png").rename(tmp_path / "renamed.png")
    decoded: list[str] = []
    from scumble.images import decode

    original = decode.open_frame
    monkeypatch.setattr(
        "scumble.images.picture.open_frame", lambda p, *a: decoded.append(Path(p).name) or original(p, *a)
    )
    assert redo(tmp_path / "out.png", editor=tiny_editor).largest == 0
    assert "another.png" not in decoded


def peak_of(work: Callable[[], Any]) -> float:
    """Megabytes by which the memory of this process rises at most while something is done."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = psutil.Process().memory_info().rss
    work()
    status = Path("/proc/self/status").read_text()
    return (int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 - before) / 1e6  # type: ignore[index]


def test_large_pictures_beside_the_result_cost_neither_time_nor_memory(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of 30 megapixels, of the shape that the picture and its map have, and before them in every order."""
    picture.save(tmp_path / "in.png")
    Image.linear_gradient("L").resize((64, 64)).save(tmp_path / "map.png")
    method = DifferentialDiffusion(change_map=tmp_path / "map.png", num_inference_steps=2)
    (out,) = tiny_editor.edit(tmp_path / "in.png", method, seed=1).save(tmp_path / "out.png")
    (tmp_path / "in.png").rename(tmp_path / "renamed.png")
    (tmp_path / "map.png").rename(tmp_path / "where.png")
    redo(out, editor=tiny_editor)  # what is loaded once is not counted
    for name in ("a.png", "b.png"):
        Image.new("L", (5478, 5478), 7).save(tmp_path / name, compress_level=1)
    opened: list[str] = []
    from scumble.images import decode

    original = decode.open_frame

    def watched(path: Any, *more: Any) -> Any:
        opened.append(Path(path).name)
        return original(path, *more)

    for module in ("picture", "decode"):
        monkeypatch.setattr(f"scumble.images.{module}.open_frame", watched)
    peak = peak_of(lambda: redo(out, editor=tiny_editor))
    assert opened and not {"a.png", "b.png"} & set(opened)
    assert peak < 30, f"{peak:.0f} MB"


def test_every_field_that_may_be_a_file_is_declared() -> None:
    """A text field is words or a choice, unless it is marked as a file: whoever adds one must say which."""
    from scumble.file_field import FileField
    from scumble.methods.extras.extras import ALSO
    from scumble.methods.registry import METHODS, method_class

    words = {"prompt", "negative_prompt", "source_prompt", "source_word", "target_word", "color", "colour", "layer"}
    words |= {
        "text",
        "words",
        "absent",
        "keep_shape",
        "keep_look",
        "blend_words",
        "keep_words",
        "prompt_2",
        "negative_prompt_2",
    }
    for kind in [*map(method_class, METHODS), *ALSO.values()]:
        for name, field in kind.model_fields.items():  # type: ignore[attr-defined]
            text = "str" in str(field.annotation) and "Literal" not in str(field.annotation)
            text = text and "dict" not in str(field.annotation)
            marked = any(isinstance(mark, FileField) for mark in field.metadata)
            assert not text or marked or name in words, f"{kind.__name__}.{name}: a file, or words?"
