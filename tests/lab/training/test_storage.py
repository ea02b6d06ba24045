from __future__ import annotations

import errno
import json
import os
import zlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scumble.errors import CheckpointError, ScumbleError
from scumble_lab.training import storage
from scumble_lab.training.config import Size
from scumble_lab.training.run_folder import RunFolder, load_average
from scumble_lab.training.storage import latest_checkpoint, save_checkpoint


def save(root: Path, step: int) -> Path:
    return save_checkpoint(root, step, {"weights": {"w": torch.full((64,), float(step))}}, {"samples": step})


def test_the_newest_complete_checkpoint_is_found(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        save(tmp_path, step)
    found = latest_checkpoint(tmp_path)
    assert found is not None and found.state["step"] == 15
    assert torch.equal(found.tensors("weights")["w"], torch.full((64,), 15.0))
    assert len(list(tmp_path.glob("step-*"))) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "no mark", "half a mark", "no weights"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 5)
    folder = save(tmp_path, 10)
    weights, mark = folder / "weights.safetensors", folder / "state.json"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-40])
    elif damage == "flip":
        data = bytearray(weights.read_bytes())
        data[-3] ^= 1
        weights.write_bytes(bytes(data))
    elif damage == "no mark":
        mark.unlink()
    elif damage == "half a mark":
        mark.write_text(mark.read_text()[:30])
    else:
        weights.unlink()
    found = latest_checkpoint(tmp_path)
    assert found is not None and found.state["step"] == 5


def test_what_a_kill_leaves_behind_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / ".partial-1").mkdir()
    (tmp_path / ".partial-1" / "weights.safetensors").write_bytes(b"half")
    assert latest_checkpoint(tmp_path) is None


def test_a_full_disk_is_said_clearly_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage, "save_file", full)
    with pytest.raises(ScumbleError, match="no space left while writing"):
        save(tmp_path, 5)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_model_names_the_command_that_trains_it(tmp_path: Path, tiny: Size) -> None:
    with pytest.raises(CheckpointError, match="scumble train vae --size cpu"):
        RunFolder(tmp_path, tiny).checkpoint("vae")


def test_a_checkpoint_of_version_0_1_is_read(tmp_path: Path) -> None:
    """So that a training that was begun with it can be resumed and published."""
    folder = tmp_path / "step-00000007"
    folder.mkdir()
    files = {}
    for group in ("weights", "ema", "optimizer"):
        path = folder / f"{group}.safetensors"
        save_file({"net.weight": torch.eye(2)}, path)
        files[path.name] = {"bytes": path.stat().st_size, "crc32": zlib.crc32(path.read_bytes())}
    state = {"step": 7, "samples": 28, "seconds": 1.5, "figures": {"mse": 0.5}, "before": [], "schedule": {"seed": 1}}
    (folder / "state.json").write_text(json.dumps({**state, "files": files}))
    found = latest_checkpoint(tmp_path)
    assert found is not None and {key: found.state[key] for key in state} == state
    net = torch.nn.Linear(2, 2, bias=False)
    assert torch.equal(load_average(found, "net", net).weight, torch.eye(2))
