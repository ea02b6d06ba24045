from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from scumble.core.conditioning import Conditioning
from scumble.core.cost import Cost
from scumble.methods.drag.lora import train_lora
from scumble.methods.drag.lora_file import Adapter
from scumble.methods.drag.lora_layers import adapted
from scumble.models.base import Model

PICTURE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
SMALL = Adapter("a cat", steps=3, rank=2, batch=1, learning_rate=5e-2)


@pytest.fixture
def cond(tiny_sd: Model) -> Conditioning:
    return tiny_sd.embed(["a cat"])


def predicted(model: Model, cond: Conditioning) -> torch.Tensor:
    with torch.no_grad():
        x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        return model.predict(x, model.schedule.at(300), cond).eps


def layout(model: Model) -> list[tuple[str, str, bool]]:
    found = [(name, type(m).__name__, False) for name, m in model.denoiser.named_modules()]
    return found + [(name, "", p.requires_grad) for name, p in model.denoiser.named_parameters()]


def test_a_lora_changes_the_network_while_attached_and_leaves_nothing_behind(
    tiny_sd: Model, cond: Conditioning, tmp_path: Path
) -> None:
    before, state = predicted(tiny_sd, cond), layout(tiny_sd)
    path = train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path)
    assert layout(tiny_sd) == state
    assert torch.equal(predicted(tiny_sd, cond), before)
    with adapted(tiny_sd.denoiser, path):
        assert not torch.allclose(predicted(tiny_sd, cond), before)
    with pytest.raises(RuntimeError), adapted(tiny_sd.denoiser, path):
        raise RuntimeError
    assert layout(tiny_sd) == state
    assert torch.equal(predicted(tiny_sd, cond), before)
    assert not hasattr(tiny_sd.denoiser, "peft_config")


def test_no_parameter_keeps_a_gradient(tiny_sd: Model, cond: Conditioning, tmp_path: Path) -> None:
    train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path)
    assert all(p.grad is None for p in tiny_sd.denoiser.parameters())


def test_training_draws_the_same_every_time(tiny_sd: Model, cond: Conditioning, tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    one = train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path / "a")
    torch.manual_seed(5)
    two = train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path / "b")
    torch.random.set_rng_state(state)
    assert one.name == two.name
    first, second = load_file(one), load_file(two)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_a_lora_is_trained_once_for_a_picture(tiny_sd: Model, cond: Conditioning, tmp_path: Path) -> None:
    steps: list[int] = []
    cost = Cost()
    path = train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path, steps.append, cost)
    assert train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path, steps.append, cost) == path
    assert steps == [0, 1, 2]
    assert (cost.forward_rows, cost.backward_rows) == (3, 3)
    other = SMALL.name(tiny_sd, PICTURE + 0.1)
    assert other != path.name


def test_stopping_leaves_no_file_and_no_adapter(tiny_sd: Model, cond: Conditioning, tmp_path: Path) -> None:
    def stop(k: int) -> None:
        raise KeyboardInterrupt

    state = layout(tiny_sd)
    with pytest.raises(KeyboardInterrupt):
        train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path, stop)
    assert layout(tiny_sd) == state
    assert list(tmp_path.iterdir()) == []


def test_other_programs_can_load_the_file(tiny_sd: Any, cond: Conditioning, tmp_path: Path) -> None:
    """diffusers' own loader takes it, and the network then says the same as with ours."""
    from diffusers import StableDiffusionPipeline

    path = train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path)
    with adapted(tiny_sd.denoiser, path):
        ours = predicted(tiny_sd, cond)
    folder = Path(__file__).parents[2] / "reference" / "tiny-sd"
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipe.load_lora_weights(tmp_path, weight_name=path.name)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = pipe.unet(x, torch.tensor(300), encoder_hidden_states=cond.embeds, return_dict=False)[0]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_kept_lora_that_was_damaged_is_trained_again(
    tiny_sd: Model, cond: Conditioning, tmp_path: Path, damage: str
) -> None:
    path = train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path)
    whole, tensors = path.read_bytes(), {key: value.clone() for key, value in load_file(path).items()}
    flipped = bytes([*whole[:-3], whole[-3] ^ 0x40, *whole[-2:]])
    path.write_bytes({"cut": whole[: len(whole) // 2], "flipped": flipped, "emptied": b""}[damage])
    cost = Cost()
    assert train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path, cost=cost) == path
    again = load_file(path)
    assert cost.forward_rows > 0 and all(torch.equal(again[key], tensors[key]) for key in tensors)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_lora_is_on_the_disk_before_it_has_its_name(
    tiny_sd: Model, cond: Conditioning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bool] = []
    original = os.fsync

    def watched(handle: int) -> None:
        flushed.append(not list(tmp_path.glob("*.safetensors")))
        original(handle)

    monkeypatch.setattr(os, "fsync", watched)
    train_lora(tiny_sd, PICTURE, cond, SMALL, tmp_path)
    assert flushed and flushed[0]
