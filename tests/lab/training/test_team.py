"""Two processes under torchrun's environment stay the same model and share the work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from scumble_lab.training.storage import latest_checkpoint

SCRIPT = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from scumble_lab.training.config import CPU, Schedule
from scumble_lab.training.loop import train
from scumble_lab.training.pixel import PixelTask
from scumble_lab.training.team import join
from scumble_lab.training.run_folder import Workshop

torch.set_num_threads(1)
out = Path(sys.argv[1])
pixel = CPU.pixel.model_copy(update={"channels": (8, 16), "attention": (False, True), "head_dim": 8})
size = CPU.model_copy(update={"picture": 16, "scenes": 24, "held_out": 8, "bf16": False, "pixel": pixel})
schedule = Schedule(minutes=1, steps=4, batch=4, learning_rate=1e-3, warmup=2)
with join() as team:
    with team.leader_first():
        task = PixelTask(size, Workshop(out, size).world(quiet=True))
    at = train(task, schedule, out / "team", quiet=True, team=team)
    assert at.samples == 16, at
    held = {n: p.detach().contiguous() for n, p in task.unet.named_parameters()}
    save_file(held, out / f"rank{team.rank}.safetensors")
"""


def test_two_processes_end_with_the_same_weights(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], env={**os.environ, **common, "RANK": str(rank)})
        for rank in range(2)
    ]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    one, two = (load_file(tmp_path / f"rank{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    found = latest_checkpoint(tmp_path / "team")
    assert found is not None and found.state["samples"] == 16
