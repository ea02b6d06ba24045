"""Damaged and invented weights, configs and vocabularies: a model, or one clear line, and nothing else.

The networks are as small as diffusers lets them be, so that some hundred of each take a moment.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from scumble.errors import InputError
from scumble.models.add_ons import AddOns, Lora
from scumble.models.latent import LatentModel
from scumble.models.loading import load
from scumble.models.loading.put_on import put_on
from tests.fuzz.test_damaged_files import CASES, damaged, odd, refused
from tests.support.tiny import make_text_encoder, make_tokenizer, make_unet, make_vae

TYPES = (torch.float16, torch.float64, torch.int64, torch.bool, torch.uint8, torch.bfloat16, torch.complex64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the smallest networks."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    place = tmp_path_factory.mktemp("model")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        tokenizer = make_tokenizer(place / "words")
        pipe = StableDiffusionPipeline(
            vae=make_vae(),
            text_encoder=make_text_encoder(tokenizer, 16),
            tokenizer=tokenizer,
            unet=make_unet(),
            scheduler=DDIMScheduler(steps_offset=1, clip_sample=False, beta_schedule="scaled_linear"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipe.save_pretrained(place / "tiny")
    return place / "tiny"


@pytest.fixture(scope="module")
def model(folder: Path) -> LatentModel:
    loaded = load(folder, "cpu")
    assert isinstance(loaded, LatentModel)
    return loaded


def odd_tensors(state: dict[str, Tensor], rng: random.Random) -> dict[str, Tensor]:
    """Tensors of which one is missing, renamed, of another shape or type, not finite, or too much."""
    changed = dict(state)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not changed:
            break
        name = rng.choice(sorted(changed))
        value, kind = changed[name], rng.randrange(8)
        if kind == 0:
            del changed[name]
        elif kind == 1:
            changed[rng.choice(("", "x", f"{name}.weight", name[::-1], name[:-1], name.upper()))] = changed.pop(name)
        elif kind == 2:
            changed[name] = value.flatten()
        elif kind == 3:
            changed[name] = torch.zeros(rng.choice(((), (0,), (1, 1, 1, 1, 1), (3, 0), (7, 5))))
        elif kind == 4:
            changed[name] = value.to(rng.choice(TYPES))
        elif kind == 5:
            changed[name] = torch.full_like(value.float(), rng.choice((float("nan"), float("inf"), 1e38)))
        elif kind == 6:
            changed[f"{name}_"] = value.clone()
        else:
            changed[name] = value.repeat(*([2] * max(value.dim(), 1)))
    return {name: value.contiguous() for name, value in changed.items()}


def try_file(
    path: Path, state: dict[str, Tensor], what: str, model: LatentModel, add_ons: Callable[[Path], AddOns]
) -> int:
    """Put damaged and invented files of one kind on copies of a model; returns how many were refused."""

    def put(path: Path) -> None:
        put_on(copy.deepcopy(model), add_ons(path))

    save_file(state, path)
    put(path)
    whole = path.read_bytes()
    no = 0
    for number in range(CASES // 8):
        rng = random.Random(f"{what}/{number}")
        if number % 3:
            save_file(odd_tensors(state, rng), path)
        else:
            path.write_bytes(damaged(whole[:4000], rng) + whole[4000:])
        no += refused(put, path, number)
    return no


def lora_of(model: LatentModel, kind: str) -> dict[str, Tensor]:
    """A LoRA of one layer, in diffusers' or kohya's names."""
    denoiser: Any = model.denoiser
    name = next(name for name, _ in denoiser.named_modules() if name.endswith("attn1.to_q"))
    width = denoiser.get_submodule(name).in_features
    if kind == "peft":
        return {f"unet.{name}.lora_A.weight": torch.ones(2, width), f"unet.{name}.lora_B.weight": torch.ones(width, 2)}
    key = f"lora_unet_{name.replace('.', '_')}"
    parts = {"lora_down.weight": torch.ones(2, width), "lora_up.weight": torch.ones(width, 2)}
    return {f"{key}.{part}": value for part, value in parts.items()} | {f"{key}.alpha": torch.tensor(2.0)}


@pytest.mark.parametrize("kind", ["kohya", "peft"])
def test_loras_that_nobody_trained_are_a_clear_error(kind: str, model: LatentModel, tmp_path: Path) -> None:
    state = lora_of(model, kind)
    assert try_file(tmp_path / "a.safetensors", state, f"lora {kind}", model, lambda path: AddOns(lora=(Lora(path),)))


def test_words_that_nobody_learned_are_a_clear_error(model: LatentModel, tmp_path: Path) -> None:
    state = {"<dog>": torch.ones(2, 16)}
    assert try_file(tmp_path / "a.safetensors", state, "words", model, lambda path: AddOns(textual_inversion=(path,)))


def test_autoencoders_that_nobody_trained_are_a_clear_error(model: LatentModel, tmp_path: Path) -> None:
    state = {name: value.clone() for name, value in model.vae.state_dict().items()}
    assert try_file(tmp_path / "a.safetensors", state, "vae", model, lambda path: AddOns(vae=path))


JSONS = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer/tokenizer.json",
    "tokenizer/special_tokens_map.json",
    "scumble.json",
)
"""Every file of a model folder that is no network."""
NASTY = (
    "",
    "null",
    "[]",
    "7",
    '"text"',
    "{",
    "[" * 100_000,
    '{"a":' * 9_000,
    '{"a": NaN}',
    '{"a": 1e999}',
    "\x00",
    "é",
)


def use(path: Path) -> None:
    """Load a folder, and ask what every edit asks first."""
    model: Any = load(path, "cpu")
    assert model.native_size > 0
    try:
        model.schedule.levels(2)
    except ValueError as error:  # too few training steps: edits say so in one line
        raise InputError(str(error)) from error
    model.embed(["a red cube"])


@pytest.mark.parametrize("name", JSONS)
def test_folders_that_nobody_saved_are_a_clear_error(name: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "tiny"
    shutil.copytree(folder, place)
    path = place / name
    if name == "scumble.json":
        path.write_text(json.dumps({"defaults": {"num_inference_steps": 4}, "parts": {}}))
    if not path.exists():
        return  # tokenizers of other versions have other files
    whole = path.read_bytes()
    use(place)
    no = 0
    for number in range(max(len(NASTY), CASES // 10)):
        rng = random.Random(f"{name}/{number}")
        if number < len(NASTY):
            path.write_bytes(NASTY[number].encode())
        elif number % 4:
            path.write_text(json.dumps(odd(json.loads(whole), rng)))
        else:
            path.write_bytes(damaged(whole, rng))
        no += refused(lambda _: use(place), path, number)
    assert no  # some of it is refused


@pytest.mark.parametrize("name", ["unet", "vae", "text_encoder"])
def test_networks_of_folders_that_nobody_trained_are_a_clear_error(name: str, folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    place = tmp_path / "tiny"
    shutil.copytree(folder, place)
    (path,) = (place / name).glob("*.safetensors")
    state = {key: value.clone() for key, value in load_file(path).items()}
    whole = path.read_bytes()
    no = 0
    for number in range(CASES // 10):
        rng = random.Random(f"{name}/{number}")
        if number % 3:
            save_file(odd_tensors(state, rng), path, {"format": "pt"})
        else:
            path.write_bytes(damaged(whole[:4000], rng) + whole[4000:])
        no += refused(lambda _: use(place), path, number)
    assert no  # some of it is refused
