"""The guarantees hold whatever answers for the network, and the recipe says what did."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.methods.registry import method_class

TINY = Path(__file__).parents[1] / "reference" / "tiny-sd"

if find_spec("openvino") is None:
    pytest.skip("the extra openvino is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def editors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Editor, Editor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCUMBLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        fast = Editor.from_pretrained(TINY, device="cpu", runtime="openvino")
        return fast, Editor.from_pretrained(TINY, device="cpu")


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))


def half() -> np.ndarray:
    change = np.zeros((64, 64), np.float32)
    change[:, 32:] = 1
    return change


def pixels(result: scumble.Result) -> np.ndarray:
    return np.asarray(result.image.convert("RGB")).astype(int)


@pytest.mark.parametrize("method", ["sdedit", "differential-diffusion", "ddpm-inversion", "prompt-to-prompt"])
def test_the_picture_is_that_of_torch_and_untouched_pixels_are_the_input(
    editors: tuple[Editor, Editor], method: str
) -> None:
    fields = {"prompt": "a cat", "num_inference_steps": 4, "change_map": half()}
    if method in ("ddpm-inversion", "prompt-to-prompt"):
        fields["source_prompt"] = "a dog"
    fast, slow = (editor.edit(picture(), method_class(method)(**fields), seed=1) for editor in editors)
    before = np.asarray(picture()).astype(int)
    assert np.array_equal(pixels(fast)[:, :32], before[:, :32])
    assert np.abs(pixels(fast) - pixels(slow)).max() <= 2
    assert fast.recipe.environment["runtime"].startswith("openvino 20")
    assert slow.recipe.environment["runtime"] == "torch"


def test_a_constant_map_is_the_strength_of_sdedit(editors: tuple[Editor, Editor]) -> None:
    common = {"prompt": "a cat", "num_inference_steps": 5}
    mapped = editors[0].edit(picture(), scumble.DifferentialDiffusion(**common, change_map=0.6), seed=1)
    plain = editors[0].edit(picture(), scumble.SDEdit(**common, strength=0.6), seed=1)
    assert np.array_equal(pixels(mapped), pixels(plain))


def test_the_same_edit_twice_gives_the_same_bytes(editors: tuple[Editor, Editor]) -> None:
    method = scumble.SDEdit(prompt="a cat", num_inference_steps=4)
    one, other = (editors[0].edit(picture(), method, seed=1) for _ in range(2))
    assert np.array_equal(pixels(one), pixels(other))


def test_an_unknown_runtime_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InputError, match="runtime must be one of"):
        Editor.from_pretrained(TINY, runtime="onnx")


def test_redo_takes_the_recorded_runtime_and_finds_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scumble.editing.redo import redo

    monkeypatch.setenv("SCUMBLE_CACHE", str(tmp_path / "cache"))
    picture().save(tmp_path / "in.png")
    editor = Editor.from_pretrained(TINY, device="cpu", runtime="openvino")
    editor.edit(tmp_path / "in.png", scumble.SDEdit(num_inference_steps=3), seed=1).save(tmp_path / "out.png")
    again = redo(tmp_path / "out.png", image=tmp_path / "in.png", model=str(TINY), device="cpu")
    assert again.largest == 0
    assert again.recipe.environment["runtime"].startswith("openvino")
