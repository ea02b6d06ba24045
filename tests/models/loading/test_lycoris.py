"""LoHa and LoKr files act as peft's modules with the same factors do, or are refused in one line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import scumble
from scumble.errors import CheckpointError
from scumble.models.add_ons import AddOns
from scumble.models.loading import load
from tests.models.loading.test_add_ons import predict
from tests.support.parity import close

ALPHA = {"loha": 3.0, "lokr": 3.0, "lokr, whole": 2.0}
TARGETS = r".*(to_q|conv1|mlp\.fc1)"
"""Attention, a convolution, and a layer of the text encoder."""


@pytest.fixture
def folder(sd_pipe: Any, tmp_path: Path) -> Path:
    sd_pipe.save_pretrained(tmp_path / "tiny-sd")
    return tmp_path / "tiny-sd"


def adapted(network: Any, kind: str, tucker: bool) -> Any:
    """A copy of a network with peft's modules, none of whose factors is zero."""
    from peft import LoHaConfig, LoHaModel, LoKrConfig, LoKrModel

    shared: dict[str, Any] = {"r": 2, "alpha": ALPHA[kind], "target_modules": TARGETS}
    if kind == "loha":
        config: Any = LoHaConfig(**shared, use_effective_conv2d=tucker)
        model: Any = LoHaModel(copy.deepcopy(network), config, "it")
    else:
        shared["r"] = 64 if "whole" in kind else 2
        config = LoKrConfig(**shared, use_effective_conv2d=tucker, decompose_both=kind == "lokr", decompose_factor=2)
        model = LoKrModel(copy.deepcopy(network), config, "it")
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "hada" in name or "lokr" in name:
                weight.copy_(torch.randn(weight.shape, generator=draw) * 0.3)
    return model.eval()


def as_a_file(model: Any, start: str, kind: str) -> dict[str, torch.Tensor]:
    """The factors under the names that training programs give them."""
    state: dict[str, torch.Tensor] = {}
    for name, weight in model.named_parameters():
        layer, _, part = name.removeprefix("model.").removesuffix(".it").rpartition(".")
        if part.startswith(("hada", "lokr")):
            key = start + layer.replace(".", "_")
            state[f"{key}.{part}"] = weight.detach().contiguous()
            state[f"{key}.alpha"] = torch.tensor(ALPHA[kind])
    return state


@pytest.mark.parametrize("tucker", [False, True])
@pytest.mark.parametrize("kind", ["loha", "lokr", "lokr, whole"])
def test_a_file_acts_as_pefts_modules_do(folder: Path, sd_pipe: Any, tmp_path: Path, kind: str, tucker: bool) -> None:
    unet, text = (adapted(one, kind, tucker) for one in (sd_pipe.unet, sd_pipe.text_encoder))
    state = {**as_a_file(unet, "lora_unet_", kind), **as_a_file(text, "lora_te_text_model_", kind)}
    state = {key.replace("text_model_text_model_", "text_model_"): one for key, one in state.items()}
    assert any("conv1" in key for key in state) and any("mlp_fc1" in key for key in state)
    save_file(state, tmp_path / "style.safetensors")
    for module in (*unet.modules(), *text.modules()):
        if "it" in getattr(module, "lokr_w1", ()) and "it" in module.lokr_w2:
            module.scaling["it"] = 1.0  # no factor has a rank, so alpha means nothing; peft divides by r all the same
    model: Any = load(folder, "cpu", add_ons=AddOns.read(lora=tmp_path / "style.safetensors"))
    pipe = copy.copy(sd_pipe)
    object.__setattr__(pipe, "text_encoder", text.model)
    embeds = pipe.encode_prompt("a red cube", "cpu", 1, False)[0]
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        theirs = unet.model(x, 321, embeds).sample
    assert close(predict(model), theirs)
    assert not close(predict(load(folder, "cpu")), theirs)


def test_the_weight_scales_it_and_hash_and_recipe_know_it(folder: Path, sd_pipe: Any, tmp_path: Path) -> None:
    save_file(as_a_file(adapted(sd_pipe.unet, "loha", False), "lora_unet_", "loha"), tmp_path / "style.safetensors")
    plain, half, whole = (
        load(folder, "cpu", add_ons=AddOns.read(lora=f"{tmp_path / 'style.safetensors'}:{weight}"))
        for weight in (0, 0.5, 1)
    )
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    a, b, c = (one.denoiser.state_dict()[name] for one in (plain, half, whole))
    assert torch.equal(a, sd_pipe.unet.state_dict()[name])
    assert torch.allclose(b - a, (c - a) / 2, atol=1e-6)
    assert len({one.weights_hash for one in (plain, half, whole)}) == 3
    editor = scumble.Editor.from_pretrained(folder, device="cpu", lora=tmp_path / "style.safetensors")
    made = editor.generate(scumble.TextToImage(prompt="a cube", num_inference_steps=1, width=16, height=16), seed=1)
    assert made.recipe.model_settings["lora"][0]["name"] == "style.safetensors"


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("lora_unet_nowhere.hada_w1_a", "has no layer lora_unet_nowhere"),
        ("lora_unet_conv_in.hada_w1_a", "incomplete or of another shape"),
        ("lora_unet_conv_in.dora_scale", "not supported: lora_unet_conv_in.dora_scale"),
        ("lora_unet_conv_in.lora_down.weight", "not supported: lora_unet_conv_in.lora_down"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_changes_nothing(
    folder: Path, sd_pipe: Any, tmp_path: Path, key: str, word: str
) -> None:
    state = as_a_file(adapted(sd_pipe.unet, "loha", False), "lora_unet_", "loha")
    save_file({**state, key: torch.zeros(2, 2)}, tmp_path / "style.safetensors")
    with pytest.raises(CheckpointError) as error:
        load(folder, "cpu", add_ons=AddOns.read(lora=tmp_path / "style.safetensors"))
    assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_an_sdxl_file_names_its_blocks_as_the_original_does(sdxl_pipe: Any, tmp_path: Path) -> None:
    sdxl_pipe.save_pretrained(tmp_path / "xl")
    layer = sdxl_pipe.unet.state_dict()["mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"]
    out, into = layer.shape
    key = "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q"
    factors = {"hada_w1_a": (out, 2), "hada_w1_b": (2, into), "hada_w2_a": (out, 2), "hada_w2_b": (2, into)}
    save_file({f"{key}.{part}": torch.ones(shape) for part, shape in factors.items()}, tmp_path / "x.safetensors")
    model = load(tmp_path / "xl", "cpu", add_ons=AddOns.read(lora=tmp_path / "x.safetensors"))
    ours = model.denoiser.state_dict()["mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"]
    assert torch.allclose(ours, layer + 4)
