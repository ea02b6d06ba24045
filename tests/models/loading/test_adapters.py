"""Adapters as people combine them: several, of several kinds, on pipes; and what they leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import scumble
from scumble.models.add_ons import AddOns
from scumble.models.loading import from_pipe, load
from tests.models.loading.test_add_ons import lora_state, predict
from tests.support.parity import close

PHOTO = Image.new("RGB", (16, 16), (200, 90, 40))


@pytest.fixture
def pipe(folder: Path) -> Any:
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)


def their_prediction(pipe: Any) -> torch.Tensor:
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    embeds = pipe.encode_prompt("a red cube", "cpu", 1, False)[0]
    with torch.no_grad():
        return pipe.unet(x, 321, embeds).sample


def test_several_loras_act_together_as_in_diffusers(folder: Path, pipe: Any, tmp_path: Path) -> None:
    one = lora_state(pipe, "peft")
    two = {key: tensor.flip(0) * 0.7 for key, tensor in lora_state(pipe, "kohya", text=False).items() if tensor.dim()}
    two |= {key: tensor for key, tensor in lora_state(pipe, "kohya", text=False).items() if not tensor.dim()}
    save_file(one, tmp_path / "one.safetensors")
    save_file({key: tensor.contiguous() for key, tensor in two.items()}, tmp_path / "two.safetensors")
    files = [f"{tmp_path / 'one.safetensors'}:0.6", f"{tmp_path / 'two.safetensors'}:-0.4"]
    ours = predict(load(folder, "cpu", add_ons=AddOns.read(lora=files)))
    for name in ("one", "two"):
        pipe.load_lora_weights(str(tmp_path), weight_name=f"{name}.safetensors", adapter_name=name)
    pipe.set_adapters(["one", "two"], [0.6, -0.4])
    theirs = their_prediction(pipe)
    assert close(ours, theirs)
    assert not close(ours, predict(load(folder, "cpu", add_ons=AddOns.read(lora=files[:1]))))


def test_an_sdxl_lora_is_that_of_diffusers(sdxl_pipe: Any, tmp_path: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    sdxl_pipe.save_pretrained(tmp_path / "xl")
    save_file(lora_state(sdxl_pipe, "peft"), tmp_path / "style.safetensors")
    model: Any = load(tmp_path / "xl", "cpu", add_ons=AddOns.read(lora=f"{tmp_path / 'style.safetensors'}:0.6"))
    pipe = StableDiffusionXLPipeline.from_pretrained(tmp_path / "xl")
    pipe.load_lora_weights(str(tmp_path), weight_name="style.safetensors", adapter_name="style")
    pipe.set_adapters(["style"], [0.6])
    cond, found = model.embed(["a cat"], size=(16, 16)), pipe.encode_prompt("a cat", device="cpu")
    assert torch.allclose(cond.text, found[0].float(), atol=1e-5)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    added = {"text_embeds": found[2], "time_ids": cond.time_ids}
    with torch.no_grad():
        theirs = pipe.unet(x, 321, found[0], added_cond_kwargs=added).sample
        assert close(model.predict(x, model.schedule.at(321), cond).eps, theirs)


def test_the_hash_of_a_pipe_covers_its_adapters_and_how_strongly_they_act(pipe: Any, tmp_path: Path) -> None:
    save_file(lora_state(pipe, "peft"), tmp_path / "style.safetensors")
    model = from_pipe(pipe)
    hashes = [model.weights_hash]
    pipe.load_lora_weights(str(tmp_path), weight_name="style.safetensors", adapter_name="style")
    hashes.append(model.weights_hash)
    pipe.set_adapters(["style"], [0.5])
    hashes.append(model.weights_hash)
    layer = next(one for name, one in pipe.unet.named_modules() if name.endswith("lora_B.style"))
    with torch.no_grad():
        layer.weight.mul_(2)
    hashes.append(model.weights_hash)
    assert len(set(hashes)) == 4
    pipe.unload_lora_weights()
    assert model.weights_hash == hashes[0]


def test_the_text_cache_knows_that_an_adapter_was_put_on_set_or_taken_off(pipe: Any, tmp_path: Path) -> None:
    save_file(lora_state(pipe, "peft"), tmp_path / "style.safetensors")
    model = from_pipe(pipe)
    plain = model.embed(["a cat"]).text
    pipe.load_lora_weights(str(tmp_path), weight_name="style.safetensors", adapter_name="style")
    full = model.embed(["a cat"]).text
    pipe.set_adapters(["style"], [0.5])
    half = model.embed(["a cat"]).text
    wanted = pipe.encode_prompt("a cat", "cpu", 1, False)[0]
    assert torch.allclose(half, wanted, atol=1e-6)
    assert not torch.allclose(full, half, atol=1e-4)
    pipe.unload_lora_weights()
    assert torch.allclose(model.embed(["a cat"]).text, plain, atol=1e-6)


@pytest.mark.parametrize("with_style", [False, True])
def test_a_drags_own_lora_never_stays_on_a_pipe(
    pipe: Any, tmp_path: Path, with_style: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCUMBLE_CACHE", str(tmp_path / "cache"))
    if with_style:
        save_file(lora_state(pipe, "peft"), tmp_path / "style.safetensors")
        pipe.load_lora_weights(str(tmp_path), weight_name="style.safetensors", adapter_name="style")
    before, names = their_prediction(pipe), [name for name, _ in pipe.unet.named_modules()]
    adapters = pipe.get_list_adapters()
    drag = scumble.DragDiffusion(prompt="a cube", points=((4, 4, 9, 4),), num_inference_steps=3, iterations=2,
                                 lora_steps=2)  # fmt: skip
    scumble.Editor.from_pipe(pipe).edit(PHOTO, drag, seed=1)
    assert list((tmp_path / "cache").rglob("*.safetensors"))
    assert [name for name, _ in pipe.unet.named_modules()] == names
    assert pipe.get_list_adapters() == adapters
    assert hasattr(pipe.unet, "peft_config") is with_style
    assert torch.equal(their_prediction(pipe), before)

    def stop(progress: Any) -> bool:
        return progress.stage != "optimize"

    with pytest.raises(scumble.CancelledError):
        scumble.Editor.from_pipe(pipe).edit(PHOTO, drag, seed=2, on_step=stop)
    assert [name for name, _ in pipe.unet.named_modules()] == names
    assert torch.equal(their_prediction(pipe), before)
