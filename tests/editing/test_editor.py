"""The editor's promises: locality to the byte, determinism whatever the batch, honest cost, clear refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from scumble.editing.editor import Editor
from scumble.errors import CancelledError, InputError, MemoryLimitError, MethodError, ScumbleError
from scumble.methods.attention.prompt_to_prompt import PromptToPrompt
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.methods.progress import Progress
from scumble.records.metadata import read_metadata


def random_picture(width: int, height: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 150), st.integers(1, 150), st.integers(0, 10_000), st.sampled_from([0, 3]))
def test_unmasked_pixels_are_byte_identical(
    tiny_editor: Editor, tmp_path_factory: Any, width: int, height: int, seed: int, feather: int
) -> None:
    source = random_picture(width, height, seed)
    rng = np.random.default_rng(seed + 1)
    change = rng.random((height, width), dtype=np.float32) * (rng.random((height, width)) > 0.5)
    method = DifferentialDiffusion(change_map=change, num_inference_steps=2, guidance_scale=1.0, feather=feather)
    path = tmp_path_factory.mktemp("out") / "out.png"
    tiny_editor.edit(source, method, seed=seed).save(path)
    after = np.asarray(Image.open(path))
    assert after.shape == (height, width, 3)
    assert (after[change == 0] == np.asarray(source)[change == 0]).all()


def test_a_very_wide_picture_keeps_its_untouched_pixels_and_its_size(tiny_editor: Editor) -> None:
    source = random_picture(3000, 40, 1)
    change = np.zeros((40, 3000), np.float32)
    change[:, :50] = 1
    result = tiny_editor.edit(source, DifferentialDiffusion(change_map=change, num_inference_steps=1), seed=1)
    assert result.image.size == (3000, 40)
    assert (np.asarray(result.image)[:, 50:] == np.asarray(source)[:, 50:]).all()
    assert (np.asarray(result.image)[:, :50] != np.asarray(source)[:, :50]).any()


def test_a_zero_map_returns_the_input_without_a_network_call(tiny_editor: Editor, picture: Image.Image) -> None:
    result = tiny_editor.edit(picture, DifferentialDiffusion(change_map=0.0, prompt="a house"), count=2)
    assert result.cost.network_calls == 0
    assert all((np.asarray(image) == np.asarray(picture)).all() for image in result.images)
    assert any("returned as it is" in notice for notice in result.notices)


def test_polarity_is_converted_by_name(tiny_editor: Editor, picture: Image.Image) -> None:
    keep = np.zeros((64, 64), np.float32)
    keep[:32] = 1
    one = tiny_editor.edit(
        picture, DifferentialDiffusion(change_map=keep, polarity="white-keeps", num_inference_steps=2), seed=5
    )
    two = tiny_editor.edit(picture, DifferentialDiffusion(change_map=1 - keep, num_inference_steps=2), seed=5)
    assert (np.asarray(one.image) == np.asarray(two.image)).all()
    assert (np.asarray(one.image)[:32] == np.asarray(picture)[:32]).all()


def test_four_in_one_batch_are_the_four_single_runs(tiny_editor: Editor, picture: Image.Image) -> None:
    method = SDEdit(prompt="a house", strength=0.7, num_inference_steps=4, eta=1.0)
    together = tiny_editor.edit(picture, method, seed=20, count=4)
    for k in range(4):
        single = tiny_editor.edit(picture, method, seed=20 + k)
        difference = np.asarray(together.images[k], np.int16) - np.asarray(single.image, np.int16)
        assert np.abs(difference).max() <= 1
    pairs = tiny_editor.edit(picture, method, seed=20, count=4, batch_size=2)
    difference = np.asarray(together.images[3], np.int16) - np.asarray(pairs.images[3], np.int16)
    assert np.abs(difference).max() <= 1
    assert (np.asarray(together.images[0]) != np.asarray(together.images[1])).any()


def test_the_same_recipe_gives_the_same_bytes(tiny_editor: Editor, picture: Image.Image) -> None:
    method = SDEdit(prompt="a house", num_inference_steps=3, eta=0.5)
    one, two = (tiny_editor.edit(picture, method, seed=9).image for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_cost_counts_calls_and_rows(tiny_editor: Editor, picture: Image.Image) -> None:
    result = tiny_editor.edit(picture, SDEdit(strength=0.5, num_inference_steps=4, prompt="x"), seed=1, count=3)
    assert (result.cost.network_calls, result.cost.forward_rows, result.cost.backward_rows) == (2, 12, 0)
    assert result.cost.seconds > 0


def test_transparency_survives(tiny_editor: Editor, picture: Image.Image) -> None:
    source = picture.convert("RGBA")
    alpha = np.asarray(source).copy()
    alpha[..., 3] = np.arange(64, dtype=np.uint8)[None]
    result = tiny_editor.edit(Image.fromarray(alpha), SDEdit(num_inference_steps=2), seed=1)
    assert result.image.mode == "RGBA"
    assert (np.asarray(result.image)[..., 3] == alpha[..., 3]).all()


def test_progress_comes_after_each_step_with_a_preview_and_can_stop(tiny_editor: Editor, picture: Image.Image) -> None:
    steps: list[tuple[int, int]] = []
    sizes: list[tuple[int, int]] = []

    def watch(step: Progress) -> bool:
        steps.append((step.step, step.steps))
        sizes.append(step.preview().size)
        assert step.preview(full=True).size == step.preview().size
        return step.step < 2

    with pytest.raises(CancelledError, match="stopped"):
        tiny_editor.edit(picture, SDEdit(strength=1.0, num_inference_steps=4), on_step=watch)
    assert steps == [(1, 4), (2, 4)]
    assert sizes == [(128, 128)] * 2


def test_a_seed_is_drawn_and_recorded_when_none_is_given(tiny_editor: Editor, picture: Image.Image) -> None:
    method = SDEdit(num_inference_steps=2)
    first = tiny_editor.edit(picture, method)
    again = tiny_editor.edit(picture, method, seed=first.recipe.seed)
    assert first.image.tobytes() == again.image.tobytes()


def test_generate_makes_the_asked_size_and_refuses_what_does_not_fit(tiny_editor: Editor) -> None:
    multiple = tiny_editor.model.multiple
    result = tiny_editor.generate(TextToImage(prompt="a", num_inference_steps=1, width=2 * multiple, height=multiple))
    assert result.image.size == (2 * multiple, multiple)
    with pytest.raises(InputError, match="multiples of"):
        tiny_editor.generate(TextToImage(width=2 * multiple + 9, num_inference_steps=1))


def test_wrong_uses_are_refused_with_the_way_out(tiny_editor: Editor, picture: Image.Image) -> None:
    with pytest.raises(MethodError, match="generate"):
        tiny_editor.edit(picture, TextToImage())
    with pytest.raises(MethodError, match="edit"):
        tiny_editor.generate(SDEdit())
    with pytest.raises(MethodError, match="ddim"):
        tiny_editor.edit(picture, SDEdit(solver="dpmpp_2m", eta=0.5))
    with pytest.raises(InputError, match="count"):
        tiny_editor.edit(picture, SDEdit(), count=0)
    with pytest.raises(InputError, match="seed"):
        tiny_editor.edit(picture, SDEdit(), seed=-1)
    with pytest.raises(InputError, match="1000 steps"):
        tiny_editor.edit(picture, SDEdit(num_inference_steps=1000))
    with pytest.raises(InputError, match="NaN"):
        tiny_editor.edit(picture, SDEdit(change_map=np.full((64, 64), np.nan, np.float32)))


def test_an_exhausted_device_says_what_to_lower(
    tiny_editor: Editor, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("tried to allocate")

    monkeypatch.setattr(tiny_editor.model, "predict", exhausted)
    with pytest.raises(MemoryLimitError, match="--batch-size"):
        tiny_editor.edit(picture, SDEdit(num_inference_steps=2), seed=1)


def test_a_picture_that_is_no_number_is_refused_and_not_painted(tiny_editor: Editor, picture: Image.Image) -> None:
    method = PromptToPrompt(
        prompt="a red cat", source_prompt="a big cat", word_weights={"red": 1e38}, num_inference_steps=2
    )
    with pytest.raises(ScumbleError, match="not numbers"):
        tiny_editor.edit(picture, method, seed=1)


def test_a_file_name_in_another_encoding_edits_and_saves(tiny_editor: Editor, tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.png"
    Image.new("RGB", (64, 64), "red").save(path)
    method = DifferentialDiffusion(num_inference_steps=2, change_map=path)
    (out,) = tiny_editor.edit(path, method, seed=1).save(tmp_path / "out.png")
    recipe = read_metadata(out)
    assert recipe["input"]["name"] == recipe["change_map"]["name"] == "caf?.png"
