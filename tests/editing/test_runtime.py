"""The guarantees hold whatever answers for the networks, and results and files say what did."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import scumble
from scumble.editing.editor import Editor
from scumble.editing.redo import redo
from scumble.errors import InputError
from scumble.methods.registry import method_class

TINY = Path(__file__).parents[1] / "reference" / "tiny-sd"

if find_spec("openvino") is None:
    pytest.skip("the extra openvino is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def editors(conversions: Path) -> Any:
    """An editor for each runtime."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCUMBLE_CACHE", str(conversions))
        yield {name: Editor.from_pretrained(TINY, device="cpu", runtime=name) for name in ("torch", "openvino")}


@pytest.fixture(params=["torch", "openvino"])
def editor(request: pytest.FixtureRequest, editors: dict[str, Editor]) -> Editor:
    return editors[request.param]


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))


def half() -> np.ndarray:
    change = np.zeros((64, 64), np.float32)
    change[:, 32:] = 1
    return change


def pixels(result: scumble.Result, index: int = 0) -> np.ndarray:
    return np.asarray(result.images[index].convert("RGB")).astype(int)


@pytest.mark.parametrize("method", ["sdedit", "differential-diffusion", "ddpm-inversion", "prompt-to-prompt"])
def test_the_picture_is_that_of_torch_and_untouched_pixels_are_the_input(
    editors: dict[str, Editor], method: str
) -> None:
    fields = {"prompt": "a cat", "num_inference_steps": 4, "change_map": half()}
    if method in ("ddpm-inversion", "prompt-to-prompt"):
        fields["source_prompt"] = "a dog"
    slow, fast = (editor.edit(picture(), method_class(method)(**fields), seed=1) for editor in editors.values())
    before = np.asarray(picture()).astype(int)
    assert np.array_equal(pixels(fast)[:, :32], before[:, :32])
    assert np.array_equal(pixels(slow)[:, :32], before[:, :32])
    assert np.abs(pixels(fast) - pixels(slow)).max() <= 2
    assert fast.recipe.environment["runtime"].startswith("openvino 20")
    assert slow.recipe.environment["runtime"] == "torch"
    (notice,) = (notice for notice in fast.notices if notice.startswith("networks ran in openvino"))
    assert ("in torch: sample" in notice) == (method == "prompt-to-prompt")
    assert not any(notice.startswith("networks ran") for notice in slow.notices)


def test_a_constant_map_is_the_strength_of_sdedit(editor: Editor) -> None:
    common = {"prompt": "a cat", "num_inference_steps": 5}
    mapped = editor.edit(picture(), scumble.DifferentialDiffusion(**common, change_map=0.6), seed=1)
    plain = editor.edit(picture(), scumble.SDEdit(**common, strength=0.6), seed=1)
    assert np.array_equal(pixels(mapped), pixels(plain))


def test_the_same_edit_twice_gives_the_same_bytes(editor: Editor) -> None:
    method = scumble.SDEdit(prompt="a cat", num_inference_steps=4)
    one, other = (editor.edit(picture(), method, seed=1) for _ in range(2))
    assert np.array_equal(pixels(one), pixels(other))


def test_a_candidate_is_the_same_whatever_its_batch(editor: Editor) -> None:
    method = scumble.SDEdit(prompt="a cat", num_inference_steps=3)
    together = editor.edit(picture(), method, seed=1, count=3)
    alone = editor.edit(picture(), method, seed=2)
    assert np.abs(pixels(together, 1) - pixels(alone)).max() <= 1


def test_an_edit_friendly_inversion_gives_its_picture_back(editor: Editor) -> None:
    """Exactly with a level to a call, as in the replay; several levels to a call may differ by a rounding."""
    common: dict[str, Any] = {"num_inference_steps": 5, "skip": 0.2, "prompt": "a cat", "seed": 1}
    assert editor.invert(picture(), **common, chunk=1).error["pixel_max"] == 0
    assert editor.invert(picture(), **common).error["pixel_max"] <= 1


def test_an_inversion_says_what_it_costs_to_replay_it_in_another_runtime(
    editors: dict[str, Editor], tmp_path: Path
) -> None:
    inversion = editors["openvino"].invert(picture(), num_inference_steps=5, skip=0.2, prompt="a cat", seed=1)
    inversion.save(tmp_path / "a.inversion.safetensors")
    method = scumble.DDPMInversion(prompt="a dog", num_inference_steps=5)
    edits = {
        name: editor.edit(None, method, inversion=tmp_path / "a.inversion.safetensors", seed=1)
        for name, editor in editors.items()
    }
    costs = {name: [one for one in edit.notices if "replayed" in one] for name, edit in edits.items()}
    assert costs["openvino"] == []
    assert costs["torch"][0].startswith("the inversion was made in openvino 20")
    assert "replayed in torch (float32)" in costs["torch"][0]


def test_an_unknown_runtime_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InputError, match="runtime must be one of"):
        Editor.from_pretrained(TINY, runtime="onnx")


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_redo_takes_the_recorded_runtime_and_finds_no_difference(
    runtime: str, editors: dict[str, Editor], tmp_path: Path, conversions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCUMBLE_CACHE", str(conversions))
    picture().save(tmp_path / "in.png")
    edit = editors[runtime].edit(tmp_path / "in.png", scumble.SDEdit(num_inference_steps=3), seed=1)
    edit.save(tmp_path / "out.png")
    again = redo(tmp_path / "out.png", image=tmp_path / "in.png", model=str(TINY), device="cpu")
    assert again.largest == 0
    assert again.recipe.environment["runtime"].startswith(runtime)


def test_redo_in_another_runtime_says_so_and_how_far_it_is_off(editors: dict[str, Editor], tmp_path: Path) -> None:
    picture().save(tmp_path / "in.png")
    edit = editors["openvino"].edit(tmp_path / "in.png", scumble.SDEdit(num_inference_steps=3), seed=1)
    edit.save(tmp_path / "out.png")
    again = redo(tmp_path / "out.png", image=tmp_path / "in.png", editor=editors["torch"])
    assert any(warning.startswith("runtime was openvino") for warning in again.warnings)
    assert again.largest <= 2
