"""Weights in another precision than the file's take what they need and a tenth more, not the file besides."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from scumble.models.loading import load
from scumble.models.loading.placed import placed
from tests.support.original_layout import original_state
from tests.support.tiny import make_unet, pipe_with

MAPS, STATUS = Path("/proc/self/smaps"), Path("/proc/self/status")
PRECISIONS = [("float16", "float32"), ("float32", "float16"), ("bfloat16", "float16")]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts pages as Linux does")


def in_use(what: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(what))
    return 1024 * int(line.split()[1])


def pages_of(name: str) -> int:
    """Bytes of a mapped file that this process has before it."""
    found, here = 0, False
    for line in MAPS.read_text().splitlines():
        here = name in line if "-" in line.split()[0] else here
        found += 1024 * int(line.split()[1]) if here and line.startswith("Rss:") else 0
    return found


def test_a_mapped_network_is_let_go_as_it_is_converted_and_can_be_read_again(tmp_path: Path) -> None:
    weights = {f"{k}.weight": torch.randn(256, 512).half() for k in range(8)}
    save_file(weights, tmp_path / "layers.safetensors")
    with safe_open(str(tmp_path / "layers.safetensors"), framework="pt") as file:
        mapped = {key: file.get_tensor(key) for key in weights}
    network = nn.Sequential(*(nn.Linear(512, 256, bias=False, dtype=torch.float16) for _ in weights))
    network.load_state_dict(mapped, assign=True)
    converted = placed(network, torch.device("cpu"), torch.float32)
    assert pages_of("layers.safetensors") <= 0.1 * (tmp_path / "layers.safetensors").stat().st_size
    for key, wanted in weights.items():
        assert torch.equal(converted.state_dict()[key], wanted.float())
        assert torch.equal(mapped[key], wanted)


def test_what_lies_in_memory_alone_stays(tmp_path: Path) -> None:
    shared = nn.Linear(512, 512)
    network = nn.ModuleList([shared, nn.Linear(512, 512, dtype=torch.float16)])
    network[1].weight = nn.Parameter(network[1].weight.detach(), requires_grad=False)
    network.register_buffer("count", torch.arange(4096))
    before = {key: one.clone() for key, one in network.state_dict().items()}
    kept = network[1].weight.data
    placed(network, torch.device("cpu"), torch.float32)
    assert torch.equal(kept, before["1.weight"])
    assert network.count.dtype == torch.int64
    assert all(torch.equal(one, before[key].to(one.dtype)) for key, one in network.state_dict().items())
    assert network[0].weight.data_ptr() == shared.weight.data_ptr()


@pytest.mark.parametrize(("stored", "wanted"), PRECISIONS, ids=lambda one: str(one))
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_another_precision_takes_what_it_needs(
    sd_pipe: Any, tmp_path: Path, kind: str, stored: str, wanted: str
) -> None:
    unet = make_unet(block_out_channels=(128, 256), norm_num_groups=32).to(getattr(torch, stored))
    pipe = pipe_with(sd_pipe, unet=unet)
    sd_pipe.save_pretrained(tmp_path / "model")
    unet.save_pretrained(tmp_path / "model" / "unet")
    if kind == "file":
        state = {key: one.to(getattr(torch, stored)) for key, one in original_state(pipe).items()}
        save_file(state, tmp_path / "model.safetensors")
    source = tmp_path / ("model.safetensors" if kind == "file" else "model")
    config = tmp_path / "model" if kind == "file" else None
    del pipe, unet
    load(source, "cpu", wanted, config=config)  # what is imported stays
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = in_use("VmRSS")
    model: Any = load(source, "cpu", wanted, config=config)
    networks = (model.denoiser, model.vae, model.text.encoders[0].network)
    needed = sum(one.nbytes for network in networks for one in network.parameters())
    assert model.dtype == getattr(torch, wanted)
    assert in_use("VmHWM") - before <= 1.1 * needed + SLACK


SLACK = 3 * 2**20
"""Configs, vocabularies and layers made on the way, whatever the size of the weights."""
