"""LoRA files, autoencoders, learned words and settings of sampling on a checkpoint compute what diffusers computes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import scumble
from scumble.errors import CheckpointError, InputError, ScumbleError
from scumble.models.add_ons import AddOns, Lora
from scumble.models.loading import load
from tests.support.original_layout import original_state
from tests.support.tiny import make_vae


def lora_state(pipe: Any, form: str, text: bool = True) -> dict[str, torch.Tensor]:
    """A random LoRA of rank 2 on attention projections, in one of three formats."""
    generator = torch.Generator().manual_seed(4)
    state: dict[str, torch.Tensor] = {}
    networks = [("unet", pipe.unet, "to_q"), ("text_encoder", pipe.text_encoder, "q_proj")]
    for part, network, leaf in networks if text else networks[:1]:
        for name, layer in network.named_modules():
            if not name.endswith(leaf):
                continue
            down = torch.randn(2, layer.in_features, generator=generator) * 0.3
            up = torch.randn(layer.out_features, 2, generator=generator) * 0.3
            whole = name if part == "unet" or name.startswith("text_model") else f"text_model.{name}"
            if form == "peft":
                state |= {f"{part}.{whole}.lora_A.weight": down, f"{part}.{whole}.lora_B.weight": up}
            elif form == "diffusers":
                own = "lora" if part == "unet" else "lora_linear_layer"
                state |= {f"{part}.{whole}.{own}.down.weight": down, f"{part}.{whole}.{own}.up.weight": up}
            else:
                key = f"lora_{'unet' if part == 'unet' else 'te'}_{whole.replace('.', '_')}"
                state |= {
                    f"{key}.lora_down.weight": down,
                    f"{key}.lora_up.weight": up,
                    f"{key}.alpha": torch.tensor(2.0),
                }
    return state


def predict(model: Any) -> torch.Tensor:
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return model.predict(x, model.schedule.at(321), model.embed(["a red cube"])).eps


def with_diffusers(folder: Path, file: Path, weight: float) -> torch.Tensor:
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipe.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name="theirs")
    pipe.set_adapters(["theirs"], [weight])
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    embeds = pipe.encode_prompt("a red cube", "cpu", 1, False)[0]
    with torch.no_grad():
        return pipe.unet(x, 321, embeds).sample


@pytest.mark.parametrize("form", ["peft", "diffusers", "kohya"])
def test_a_lora_equals_diffusers_with_its_weight(folder: Path, tmp_path: Path, sd_pipe: Any, form: str) -> None:
    file = tmp_path / f"{form}.safetensors"
    save_file(lora_state(sd_pipe, form, text=form != "kohya"), file)
    plain = load(folder, "cpu")
    model = load(folder, "cpu", add_ons=AddOns.read(lora=f"{file}:0.6"))
    theirs = with_diffusers(folder, file, 0.6)
    ours = predict(model)
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()
    assert (ours - predict(plain)).abs().max() > 1e-3 * theirs.abs().max()
    assert model.weights_hash != plain.weights_hash
    assert not getattr(model.denoiser, "peft_config", None)
    assert not any("lora" in name for name, _ in model.denoiser.named_modules())
    other = load(folder, "cpu", add_ons=AddOns.read(lora=f"{file}:0.5"))
    assert other.weights_hash != model.weights_hash


def test_a_lora_of_another_kind_of_model_is_refused_in_one_line(folder: Path, tmp_path: Path, sdxl_pipe: Any) -> None:
    file = tmp_path / "xl.safetensors"
    save_file(lora_state(sdxl_pipe, "peft", text=False), file)
    with pytest.raises(CheckpointError, match=r"xl\.safetensors does not fit") as error:
        load(folder, "cpu", add_ons=AddOns.read(lora=file))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("skip", "double"), [(1, False), (2, False), (1, True)])
def test_clip_skip_is_that_of_diffusers(
    sd_pipe: Any, sdxl_pipe: Any, tmp_path: Path, skip: int, double: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = sdxl_pipe if double else sd_pipe
    if not hasattr(pipe.text_encoder, "text_model"):  # diffusers asks for it, transformers 5 has it no more
        inner = SimpleNamespace(final_layer_norm=pipe.text_encoder.final_layer_norm)
        monkeypatch.setattr(pipe.text_encoder, "text_model", inner, raising=False)
    pipe.save_pretrained(tmp_path / "model")
    model = load(tmp_path / "model", "cpu", add_ons=AddOns.read(clip_skip=skip))
    found = pipe.encode_prompt("a red cube", device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False,
                               clip_skip=skip)  # fmt: skip
    embeds = model.embed(["a red cube"]).embeds
    assert embeds is not None
    assert torch.allclose(embeds, found[0].float(), atol=1e-5)


@pytest.mark.parametrize("vectors", [1, 3])
def test_learned_words_are_read_with_all_their_vectors(folder: Path, tmp_path: Path, vectors: int) -> None:
    from diffusers import StableDiffusionPipeline

    file = tmp_path / "thing.safetensors"
    save_file({"<thing>": torch.randn(vectors, 16, generator=torch.Generator().manual_seed(1))}, file)
    model = load(folder, "cpu", add_ons=AddOns.read(textual_inversion=file))
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipe.load_textual_inversion(str(file))
    theirs = pipe.encode_prompt("a <thing> on sand", "cpu", 1, False)[0]
    ours = model.embed(["a <thing> on sand"]).embeds
    assert ours is not None
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert len(model.word_tokens("a <thing> on sand", "<thing>")) == vectors


@pytest.mark.parametrize("form", ["folder", "diffusers", "original"])
def test_another_autoencoder_takes_the_place_of_the_own(folder: Path, tmp_path: Path, sd_pipe: Any, form: str) -> None:
    vae = make_vae()
    place = tmp_path / "other" / "vae"
    if form == "folder":
        vae.save_pretrained(place)
    else:
        place = tmp_path / f"{form}.safetensors"
        state = vae.state_dict()
        if form == "original":

            class Parts:
                unet, text_encoder = sd_pipe.unet, sd_pipe.text_encoder

            Parts.vae = vae  # type: ignore[attr-defined]
            start = "first_stage_model."
            state = {
                key.removeprefix(start): one for key, one in original_state(Parts).items() if key.startswith(start)
            }
        save_file({key: one.contiguous() for key, one in state.items()}, place)
    model: Any = load(folder, "cpu", add_ons=AddOns.read(vae=place))
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        expected = vae.encode(image).latent_dist.mean * vae.config.scaling_factor
        assert torch.allclose(model.encode(image), expected, atol=1e-5)
    assert model.weights_hash != load(folder, "cpu").weights_hash


def test_an_autoencoder_of_other_latents_is_refused(folder: Path, tmp_path: Path) -> None:
    make_vae(scaling_factor=0.5).save_pretrained(tmp_path / "other")
    with pytest.raises(CheckpointError, match="another scaling_factor"):
        load(folder, "cpu", add_ons=AddOns.read(vae=tmp_path / "other"))


@pytest.mark.parametrize(
    ("kind", "solver", "times"),
    [
        ("lcm", "lcm", [999, 759, 499, 259]),
        ("tcd", "tcd", [999, 759, 499, 259]),
        ("turbo", "euler-a", [999, 749, 499, 249]),
        ("lightning", "euler", [999, 749, 499, 249]),
        ("hyper", "ddim", [999, 749, 499, 249]),
    ],
)
def test_few_steps_set_levels_solver_and_guidance(folder: Path, kind: str, solver: str, times: list[int]) -> None:
    editor = scumble.Editor.from_pretrained(folder, device="cpu", few_steps=kind)
    result = editor.generate(scumble.TextToImage(prompt="a cube", width=16, height=16), seed=1)
    wanted = {"solver": solver, "num_inference_steps": 4, "guidance_scale": 1.0}
    assert {name: result.recipe.parameters[name] for name in wanted} == wanted
    assert [level.t for level in editor.model.schedule.levels(4, solver)[:-1]] == times
    assert result.recipe.model_settings == {"few_steps": kind}


def test_few_steps_auto_reads_names_of_files_or_says_what_to_give(folder: Path) -> None:
    assert (
        load(folder.rename(folder.with_name("sd-turbo")), "cpu", add_ons=AddOns(few_steps="auto")).defaults["solver"]
        == "euler-a"
    )
    with pytest.raises(InputError, match="give one of lcm"):
        load(folder.with_name("sd-turbo").rename(folder), "cpu", add_ons=AddOns(few_steps="auto"))


def test_a_schedule_and_a_prediction_type_are_those_asked_for(folder: Path) -> None:
    model = load(folder, "cpu", add_ons=AddOns.read(schedule="karras", prediction_type="v_prediction"))
    assert model.schedule.prediction_type == "v_prediction"
    assert model.schedule.config["use_karras_sigmas"] is True


def test_the_text_cache_knows_that_an_encoder_changed(folder: Path) -> None:
    model: Any = load(folder, "cpu")
    before = model.embed(["a cube"]).embeds
    with torch.no_grad():
        model.text.encoders[0].network.get_input_embeddings().weight.mul_(2)
    assert not torch.equal(model.embed(["a cube"]).embeds, before)


def test_a_picture_made_with_a_lora_is_made_again(folder: Path, tmp_path: Path, sd_pipe: Any) -> None:
    save_file(lora_state(sd_pipe, "peft"), tmp_path / "style.safetensors")
    editor = scumble.Editor.from_pretrained(folder, device="cpu", lora=f"{tmp_path / 'style.safetensors'}:0.7")
    method = scumble.TextToImage(prompt="a cube", num_inference_steps=2, width=16, height=16)
    file = tmp_path / "made.png"
    editor.generate(method, seed=3).save(file)
    redone = scumble.redo(file, model=str(folder), device="cpu")
    assert redone.largest == 0
    assert not redone.warnings


def test_a_weighted_prompt_is_recorded_and_made_again(folder: Path, tmp_path: Path) -> None:
    editor = scumble.Editor.from_pretrained(folder, device="cpu", prompt_syntax="weighted")
    method = scumble.TextToImage(prompt="a (red:1.5) cube", num_inference_steps=2, width=16, height=16)
    result = editor.generate(method, seed=3)
    result.save(tmp_path / "made.png")
    assert result.recipe.model_settings == {"prompt_syntax": "weighted"}
    assert scumble.redo(tmp_path / "made.png", model=str(folder), device="cpu").largest == 0
    plain = scumble.Editor.from_pretrained(folder, device="cpu").generate(method, seed=3)
    assert plain.image.tobytes() != result.image.tobytes()


def test_an_add_on_that_would_change_the_networks_of_a_pipe_is_refused(sd_pipe: Any, tmp_path: Path) -> None:
    save_file(lora_state(sd_pipe, "peft"), tmp_path / "style.safetensors")
    with pytest.raises(InputError, match="on the pipe itself"):
        scumble.Editor.from_pipe(sd_pipe, lora=tmp_path / "style.safetensors")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"lora": "nothing.safetensors"}, "no file here"),
        ({"clip_skip": 0}, "1 to 11"),
        ({"few_steps": "fast"}, "one of auto"),
        ({"shedule": "karras"}, "did you mean schedule"),
        ({"vae": "nowhere"}, "neither"),
    ],
)
def test_what_cannot_be_put_on_is_refused_in_one_line(given: dict[str, Any], word: str) -> None:
    with pytest.raises(ScumbleError, match=word) as error:
        AddOns.read(**given)
    assert "\n" not in str(error.value)


def test_the_weight_of_a_lora_stands_behind_a_colon() -> None:
    assert Lora.read("a/b.safetensors:0.5") == Lora(Path("a/b.safetensors"), 0.5)
    assert Lora.read("a/b.safetensors") == Lora(Path("a/b.safetensors"), 1.0)
    with pytest.raises(InputError, match="must be a number"):
        Lora.read("b.safetensors:much")
