"""Single files: what a folder says for them, what they say themselves, and what they lack."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import scumble
from scumble.errors import CheckpointError, ScumbleError
from scumble.models.loading import load
from tests.models.loading.test_add_ons import predict
from tests.support.original_layout import original_state


def written(pipe: Any, file: Path, **more: torch.Tensor) -> Path:
    save_file({**original_state(pipe), **more}, file)
    return file


def test_a_folder_says_what_a_single_file_does_not(folder: Path, sd_pipe: Any, tmp_path: Path) -> None:
    file = written(sd_pipe, tmp_path / "my-model.safetensors")
    single, whole = load(file, "cpu", config=folder), load(folder, "cpu")
    assert torch.allclose(predict(single), predict(whole), atol=1e-5)
    assert single.schedule.levels(9) == whole.schedule.levels(9)
    editor = scumble.Editor.from_pretrained(file, device="cpu", config=folder)
    method = scumble.TextToImage(prompt="a cube", num_inference_steps=2, width=16, height=16)
    editor.generate(method, seed=3).save(tmp_path / "made.png")
    assert scumble.redo(tmp_path / "made.png", editor=editor).largest == 0


def test_loading_a_single_file_prints_nothing_of_its_own(folder: Path, sd_pipe: Any, tmp_path: Path) -> None:
    file = written(sd_pipe, tmp_path / "my-model.safetensors")
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[method-assign]
    logging.getLogger("diffusers").addHandler(handler)
    try:
        load(file, "cpu", config=folder)
    finally:
        logging.getLogger("diffusers").removeHandler(handler)
    assert [one.getMessage() for one in said] == []


def test_a_file_that_says_that_it_predicts_v_is_obeyed(folder: Path, sd_pipe: Any, tmp_path: Path) -> None:
    empty = torch.zeros(0)
    file = written(sd_pipe, tmp_path / "noob.safetensors", v_pred=empty, ztsnr=empty)
    schedule = load(file, "cpu", config=folder).schedule
    assert schedule.prediction_type == "v_prediction"
    assert schedule.levels(4)[0].t == 999
    assert schedule.levels(4)[0].a < 1e-3


@pytest.mark.parametrize("change", ["missing", "foreign"])
@pytest.mark.parametrize("part", ["model.diffusion_model.", "first_stage_model.", "cond_stage_model."])
def test_a_file_with_missing_or_foreign_weights_is_refused(
    folder: Path, sd_pipe: Any, tmp_path: Path, part: str, change: str
) -> None:
    state = original_state(sd_pipe)
    if change == "missing":
        names = sorted(key for key in state if key.startswith(part) and key.endswith("weight") and "norm" not in key)
        del state[names[len(names) // 2]]
    else:
        inner = "transformer.text_model." if part.startswith("cond") else ""
        state[f"{part}{inner}an.unknown.layer.weight"] = torch.zeros(3)
    save_file(state, tmp_path / "damaged.safetensors")
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors") as error:
        load(tmp_path / "damaged.safetensors", "cpu", config=folder)
    assert "\n" not in str(error.value)


def test_a_folder_of_another_kind_is_refused_in_one_line(sd_pipe: Any, sdxl_pipe: Any, tmp_path: Path) -> None:
    file = written(sd_pipe, tmp_path / "my-model.safetensors")
    sdxl_pipe.save_pretrained(tmp_path / "xl")
    for config in (tmp_path / "xl", tmp_path):
        with pytest.raises(ScumbleError) as error:
            load(file, "cpu", config=config)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_weights_in_the_files_own_precision_stay_in_the_mapped_file(
    folder: Path, sd_pipe: Any, tmp_path: Path, dtype: str
) -> None:
    state = {key: tensor.to(getattr(torch, dtype)) for key, tensor in original_state(sd_pipe).items()}
    save_file(state, tmp_path / "mapped.safetensors")
    model: Any = load(tmp_path / "mapped.safetensors", "cpu", dtype, config=folder)
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if "mapped.safetensors" in line]
    ranges = [[int(edge, 16) for edge in line[0].split("-")] for line in lines]
    weights = [*model.denoiser.parameters(), *model.text.encoders[0].network.parameters()]
    copied = [one for one in weights if not any(low <= one.data_ptr() < high for low, high in ranges)]
    assert sum(one.nbytes for one in copied) <= 0.05 * sum(one.nbytes for one in weights)
