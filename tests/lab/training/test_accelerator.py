"""Two processes under torchrun stay the same model and share the work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scumble.errors import InputError
from scumble_lab.training.accelerator import accelerator_for
from scumble_lab.training.config import Schedule
from scumble_lab.training.loop import train
from scumble_lab.training.pixel import PixelTask
from scumble_lab.training.run_folder import RunFolder
from scumble_lab.training.storage import latest_checkpoint

SCRIPT = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from scumble_lab.training.accelerator import accelerator_for
from scumble_lab.training.config import CPU, Schedule
from scumble_lab.training.loop import train
from scumble_lab.training.pixel import PixelTask
from scumble_lab.training.run_folder import RunFolder

torch.set_num_threads(1)
out = Path(sys.argv[1])
pixel = CPU.pixel.model_copy(update={"channels": (8, 16), "attention": (False, True), "head_dim": 8})
size = CPU.model_copy(update={"picture": 16, "scenes": 24, "held_out": 8, "bf16": False, "pixel": pixel})
accelerator = accelerator_for("cpu", bf16=False)
assert accelerator.num_processes == 2
for steps in (2, 4):  # the second run goes on where the first ended
    with accelerator.main_process_first():
        task = PixelTask(size, RunFolder(out, size).world(quiet=True))
    schedule = Schedule(minutes=1, steps=steps, batch=4, learning_rate=1e-3, warmup=2)
    at = train(task, schedule, out / "run", resume=True, quiet=True, accelerator=accelerator)
    accelerator.wait_for_everyone()
assert at.samples == 16, at
weights = {n: p.detach().contiguous() for n, p in task.unet.named_parameters()}
save_file(weights, out / f"process{accelerator.process_index}.safetensors")
accelerator.end_training()
"""


def test_two_processes_end_with_the_same_weights_and_one_can_go_on(shop: RunFolder, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    one, two = (load_file(tmp_path / f"process{k}.safetensors") for k in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    found = latest_checkpoint(tmp_path / "run")
    assert found is not None and found.state["samples"] == 16
    assert all(torch.equal(value, one[name.removeprefix("unet.")]) for name, value in found.tensors("weights").items())


def test_a_batch_that_cannot_be_shared_is_refused(
    shop: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerator = accelerator_for("cpu", bf16=False)
    monkeypatch.setattr(type(accelerator), "num_processes", 3)
    schedule = Schedule(minutes=1, steps=1, batch=4, learning_rate=1e-3)
    with pytest.raises(InputError, match="a batch of 4 cannot be divided evenly among 3 processes"):
        train(PixelTask(shop.size, shop.world(quiet=True)), schedule, tmp_path, quiet=True, accelerator=accelerator)
