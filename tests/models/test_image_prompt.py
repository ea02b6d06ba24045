"""An IP-Adapter is one more conditioning of every row: diffusers agrees; maps, inversions and drags work with it."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import scumble
from scumble.errors import ScumbleError
from tests.support.parity import by_us, close, start_noise
from tests.support.tiny import state_of

PHOTO = Image.fromarray(np.random.default_rng(4).integers(0, 255, (16, 16, 3), dtype=np.uint8))
SHOWN = Image.fromarray(np.random.default_rng(5).integers(0, 255, (40, 24, 3), dtype=np.uint8))
WORDS: dict[str, Any] = {"prompt": "a red cube", "negative_prompt": "fog", "guidance_scale": 4.0}
WIDTH = 12
"""Of the tiny image encoder's embedding."""
THEIR_NAMES = {
    r"layers\.(\d)\.ln0": r"layers.\1.0.norm1", r"layers\.(\d)\.ln1": r"layers.\1.0.norm2",
    r"layers\.(\d)\.attn\.to_out\.0": r"layers.\1.0.to_out", r"layers\.(\d)\.attn\.": r"layers.\1.0.",
    r"layers\.(\d)\.ff\.0": r"layers.\1.1.0", r"layers\.(\d)\.ff\.1\.net\.0\.proj": r"layers.\1.1.1",
    r"layers\.(\d)\.ff\.1\.net\.2": r"layers.\1.1.3",
}  # fmt: skip
"""How the authors of IP-Adapter Plus name what diffusers names otherwise."""


def projection(kind: str, across: int) -> Any:
    """The part of an adapter that makes tokens of what the image encoder says, as its authors name its weights."""
    from diffusers.models.embeddings import IPAdapterPlusImageProjection

    draw = torch.Generator().manual_seed(2)
    if kind == "plain":
        shapes = {"proj.weight": (4 * across, WIDTH), "proj.bias": (4 * across,), "norm.weight": (across,),
                  "norm.bias": (across,)}  # fmt: skip
        return {name: torch.randn(shape, generator=draw) * 0.5 for name, shape in shapes.items()}
    network = IPAdapterPlusImageProjection(embed_dims=16, output_dims=across, hidden_dims=8, heads=1, num_queries=4,
                                           depth=4, dim_head=64)  # fmt: skip
    state: dict[str, torch.Tensor] = {}
    for key, tensor in network.state_dict().items():
        for old, new in THEIR_NAMES.items():
            key = re.sub(old, new, key)
        state[key] = tensor
    for k in range(4):
        both = [state.pop(f"layers.{k}.0.to_{what}.weight") for what in ("k", "v")]
        state[f"layers.{k}.0.to_kv.weight"] = torch.cat(both)
    return state


def adapter(folder: Path, unet: Any, kind: str = "plain") -> Path:
    """Write an adapter for a tiny U-Net, and an image encoder beside it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
                              image_size=32, patch_size=8, projection_dim=WIDTH)  # fmt: skip
    torch.manual_seed(3)
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")
    draw = torch.Generator().manual_seed(1)
    state = {f"image_proj.{key}": one for key, one in projection(kind, unet.config.cross_attention_dim).items()}
    across = [name.removesuffix(".processor") for name in unet.attn_processors if not name.endswith("attn1.processor")]
    for k, path in enumerate(across):
        shape = unet.get_submodule(path).to_k.weight.shape
        for what in ("k", "v"):
            state[f"ip_adapter.{2 * k + 1}.to_{what}_ip.weight"] = torch.randn(shape, generator=draw)
    save_file({key: one.contiguous() for key, one in state.items()}, folder / "ip-adapter.safetensors")
    return folder / "ip-adapter.safetensors"


def theirs(base: Any, file: Path, method: Any, noise: torch.Tensor, scale: float) -> torch.Tensor:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
    from transformers import CLIPImageProcessorPil

    double = hasattr(base, "tokenizer_2")
    parts = {name: copy.deepcopy(part) for name, part in base.components.items() if part is not None}
    side = {"height": 32, "width": 32}
    parts["feature_extractor"] = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side)
    pipe = StableDiffusionXLPipeline(**parts) if double else StableDiffusionPipeline(
        **parts, safety_checker=None, requires_safety_checker=False
    )  # fmt: skip
    pipe.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name)
    pipe.set_ip_adapter_scale(scale)
    pipe.set_progress_bar_config(disable=True)
    return pipe(**WORDS, ip_adapter_image=SHOWN, latents=noise, num_inference_steps=method.num_inference_steps,
                height=16, width=16, output_type="latent").images  # fmt: skip


@pytest.mark.parametrize(("kind", "base"), [("plain", "sd_pipe"), ("plus", "sd_pipe"), ("plain", "sdxl_pipe")])
def test_a_picture_is_that_of_diffusers_with_the_same_adapter(
    kind: str, base: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from diffusers import DDIMScheduler

    pipe = copy.copy(request.getfixturevalue(base))
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    file = adapter(tmp_path, pipe.unet, kind)
    before = state_of(pipe.unet)
    editor = scumble.Editor.from_pipe(pipe, ip_adapter=file, ip_image=SHOWN, ip_scale=0.7)
    method = scumble.TextToImage(**WORDS, num_inference_steps=3, width=16, height=16)
    ours, _ = by_us(editor, method)
    assert close(ours, theirs(pipe, file, method, start_noise((1, 4, 8, 8), 1), 0.7))
    assert not close(ours, by_us(scumble.Editor.from_pipe(pipe), method)[0])
    after = state_of(pipe.unet)
    assert {name: str(one) for name, one in before.items()} == {name: str(one) for name, one in after.items()}


@pytest.fixture
def editor(sd_pipe: Any, tmp_path: Path) -> scumble.Editor:
    return scumble.Editor.from_pipe(sd_pipe, ip_adapter=adapter(tmp_path, sd_pipe.unet), ip_image=SHOWN)


def test_maps_inversions_words_and_drags_work_with_it(sd_pipe: Any, editor: scumble.Editor) -> None:
    plain = scumble.Editor.from_pipe(sd_pipe)
    change = np.zeros((16, 16), np.float32)
    change[4:12, 4:12] = 1
    mapped = scumble.DifferentialDiffusion(**WORDS, change_map=change, feather=0, num_inference_steps=2)
    made = np.asarray(editor.edit(PHOTO, mapped, seed=1).image)
    assert np.array_equal(made[change == 0], np.asarray(PHOTO)[change == 0])
    known: dict[str, Any] = {"prompt": "a red cube", "source_prompt": "a big cube", "num_inference_steps": 2}
    for method in (scumble.PromptToPrompt(**known), scumble.DDPMInversion(**known),
                   scumble.SDEdit(**WORDS, num_inference_steps=2, guider="pag",
                                  placed_words=[scumble.Words("a cat", map=0.5)])):  # fmt: skip
        result = editor.edit(PHOTO, method, seed=1)
        assert result.image.tobytes() != plain.edit(PHOTO, method, seed=1).image.tobytes()
        assert not [one for one in result.notices if "IP-Adapter" in one]


def test_an_inversion_is_not_told_the_picture(sd_pipe: Any, editor: scumble.Editor) -> None:
    plain = scumble.Editor.from_pipe(sd_pipe)
    one, other = (e.invert(PHOTO, seed=1, num_inference_steps=2, prompt="a cat") for e in (editor, plain))
    assert torch.equal(one.xs, other.xs)


def test_a_method_that_does_not_follow_it_says_so(editor: scumble.Editor) -> None:
    drag = scumble.DragNoise(points=((4, 4, 9, 4),), iterations=1, num_inference_steps=2)
    assert [one for one in editor.edit(PHOTO, drag, seed=1).notices if "does not follow image prompts" in one]


def test_a_picture_made_with_it_is_made_again_and_scale_0_changes_nothing(sd_pipe: Any, tmp_path: Path) -> None:
    sd_pipe.save_pretrained(tmp_path / "tiny-sd")
    (tmp_path / "ip").mkdir()
    adapter(tmp_path / "ip", sd_pipe.unet)
    SHOWN.save(tmp_path / "shown.png")
    PHOTO.save(tmp_path / "photo.png")
    told: dict[str, Any] = {"ip_adapter": tmp_path / "ip", "ip_image": tmp_path / "shown.png"}
    editor, silent, plain = (
        scumble.Editor.from_pretrained(tmp_path / "tiny-sd", device="cpu", **more)
        for more in (told, {**told, "ip_scale": 0}, {})
    )
    assert len({one.model.weights_hash for one in (editor, silent, plain)}) == 3
    method = scumble.SDEdit(**WORDS, num_inference_steps=2)
    result = editor.edit(tmp_path / "photo.png", method, seed=2)
    result.save(tmp_path / "made.png")
    assert result.recipe.model_settings["ip_image"]["name"] == "shown.png"
    redone = scumble.redo(
        tmp_path / "made.png", model=str(tmp_path / "tiny-sd"), device="cpu", inputs=[tmp_path / "ip"]
    )
    assert redone.largest == 0
    assert not redone.warnings
    assert silent.edit(PHOTO, method, seed=2).image.tobytes() == plain.edit(PHOTO, method, seed=2).image.tobytes()


def test_what_is_no_adapter_of_this_kind_is_refused_in_one_line(
    sd_pipe: Any, sdxl_pipe: Any, ddpm_pipe: Any, tmp_path: Path
) -> None:
    for name in ("good", "faces", "half", "alone", "xl"):
        (tmp_path / name).mkdir()
        adapter(tmp_path / name, sdxl_pipe.unet if name == "xl" else sd_pipe.unet)
    state = load_file(tmp_path / "faces" / "ip-adapter.safetensors")
    faces = {key.replace("image_proj.proj.", "image_proj.proj.0."): one for key, one in state.items()}
    save_file(faces, tmp_path / "faces" / "ip-adapter.safetensors")
    save_file(dict(list(state.items())[1:]), tmp_path / "half" / "ip-adapter.safetensors")
    (tmp_path / "alone" / "image_encoder" / "config.json").unlink()
    save_file({"a": torch.zeros(1)}, tmp_path / "thing.safetensors")
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (sd_pipe, {"ip_adapter": tmp_path / "nowhere", "ip_image": SHOWN}, "neither a folder nor a file"),
        (sd_pipe, {"ip_adapter": tmp_path / "good"}, "give both"),
        (sd_pipe, {"ip_scale": 0.5}, "give --ip-adapter"),
        (sd_pipe, {"ip_adapter": tmp_path / "good", "ip_image": SHOWN, "ip_scale": 11}, "0 to 10"),
        (sd_pipe, {"ip_adapter": tmp_path / "faces", "ip_image": SHOWN}, "FaceID"),
        (sd_pipe, {"ip_adapter": tmp_path / "half", "ip_image": SHOWN}, "half|fit"),
        (sd_pipe, {"ip_adapter": tmp_path / "alone", "ip_image": SHOWN}, "image encoder"),
        (sd_pipe, {"ip_adapter": tmp_path / "thing.safetensors", "ip_image": SHOWN}, "no IP-Adapter"),
        (sd_pipe, {"ip_adapter": tmp_path, "ip_image": SHOWN}, "no IP-Adapter"),
        (sd_pipe, {"ip_adapter": tmp_path / "xl", "ip_image": SHOWN}, "another kind of checkpoint"),
        (ddpm_pipe, {"ip_adapter": tmp_path / "good", "ip_image": SHOWN}, "an IP-Adapter"),
    ]
    for pipe, told, word in cases:
        with pytest.raises(ScumbleError, match=word) as error:
            scumble.Editor.from_pipe(pipe, **told)
        assert "\n" not in str(error.value)
