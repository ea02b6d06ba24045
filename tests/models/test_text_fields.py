"""Second prompts, sizes and embeddings made elsewhere reach the network as diffusers hands them over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import scumble
from scumble.errors import ScumbleError
from tests.support.parity import by_us, close, editor_of, start_noise

SIZE: dict[str, Any] = {"width": 16, "height": 16, "num_inference_steps": 3}


def by_diffusers(pipe: Any, **call: Any) -> torch.Tensor:
    pipe.set_progress_bar_config(disable=True)
    return pipe(latents=start_noise((1, 4, 8, 8), 1), output_type="latent", height=16, width=16,
                num_inference_steps=3, guidance_scale=5.0, **call).images  # fmt: skip


@pytest.fixture
def xl(sdxl_pipe: Any) -> Any:
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline

    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    scheduler = DDIMScheduler(**betas, clip_sample=False, set_alpha_to_one=False)
    return StableDiffusionXLPipeline(**{**sdxl_pipe.components, "scheduler": scheduler},
                                     force_zeros_for_empty_prompt=True)  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_2": "big sand"},
        {"prompt_2": "big sand", "negative_prompt": "fog", "negative_prompt_2": "a cat"},
        {"original_size": (64, 32), "crops_coords_top_left": (4, 8), "target_size": (24, 20)},
    ],
    ids=["second", "both", "sizes"],
)
def test_sdxl_is_told_what_diffusers_tells_it(xl: Any, told: dict[str, Any]) -> None:
    ours, result = by_us(editor_of(xl), scumble.TextToImage(prompt="a red cube", **told, **SIZE))
    theirs = by_diffusers(xl, prompt="a red cube", **told)
    assert close(ours, theirs)
    plain, _ = by_us(editor_of(xl), scumble.TextToImage(prompt="a red cube", **SIZE))
    assert not close(ours, plain)
    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}
    assert {name: result.recipe.parameters[name] for name in told} == wanted


@pytest.mark.parametrize("double", [False, True])
def test_stored_embeddings_stand_in_place_of_the_prompt(
    sd_pipe: Any,
    xl: Any,
    tmp_path: Path,
    double: bool,
) -> None:
    pipe = xl if double else sd_pipe
    generator = torch.Generator().manual_seed(2)
    width = 40 if double else 16
    state = {f"{n}prompt_embeds": torch.randn(1, 16, width, generator=generator) for n in ("", "negative_")}
    if double:
        state |= {f"{n}pooled_prompt_embeds": torch.randn(1, 12, generator=generator) for n in ("", "negative_")}
    file = tmp_path / "words.safetensors"
    save_file(state, file)
    editor = editor_of(pipe)
    ours, result = by_us(editor, scumble.TextToImage(prompt_embeds=str(file), **SIZE))
    assert close(ours, by_diffusers(pipe, **state))
    result.save(tmp_path / "made.png")
    redone = scumble.redo(tmp_path / "made.png", editor=editor)
    assert redone.largest == 0
    assert result.recipe.files["prompt_embeds"]["sha256"]


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"prompt": "a cube", "prompt_2": "sand"}, "prompt_2 is for SDXL"),
        ({"prompt": "a cube", "original_size": (8, 8)}, "original_size is for SDXL"),
        ({"prompt": "a cube", "prompt_embeds": "words.safetensors"}, "one of the two"),
        ({"prompt_embeds": "nothing.safetensors"}, "no file here"),
        ({"prompt_embeds": "wrong.safetensors"}, "must hold prompt_embeds"),
        ({"prompt_embeds": "wide.safetensors"}, "reads"),
    ],
)
def test_what_the_model_does_not_read_is_refused_in_one_line(
    sd_pipe: Any,
    told: dict[str, Any],
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_file({"prompt_embeds": torch.zeros(1, 16, 16)}, tmp_path / "words.safetensors")
    save_file({"embeds": torch.zeros(1, 16, 16)}, tmp_path / "wrong.safetensors")
    save_file({"prompt_embeds": torch.zeros(1, 16, 20)}, tmp_path / "wide.safetensors")
    with pytest.raises(ScumbleError, match=word) as error:
        editor_of(sd_pipe).generate(scumble.TextToImage(**told, **SIZE), seed=1)
    assert "\n" not in str(error.value)
