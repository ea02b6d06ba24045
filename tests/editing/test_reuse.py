"""The second edit of a picture pays only its steps, and is what a fresh editor makes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.editing.editor import Editor
from scumble.editing.result import Result
from scumble.errors import InputError
from scumble.methods.content_cache import ContentCache
from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
from scumble.models.base import Model
from scumble.records.view import View
from tests.support.all_methods import editor_for, short, soft_map

INVERTING = ("asyrp", "ddim-inversion", "ddpm-inversion", "pix2pix-zero", "plug-and-play", "prompt-to-prompt")
BESIDE = ("cycle-diffusion", "drag-diffusion", "drag-noise", "sdedit", "self-guidance")
WORDS: dict[str, Any] = {"prompt": "a dog", "source_prompt": "a cat", "num_inference_steps": 3}


def pixels(result: Result) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(one) for one in result.images]


def same(one: Result, other: Result) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(pixels(one), pixels(other), strict=True))


@pytest.mark.parametrize("name", [*INVERTING, *BESIDE])
def test_the_second_edit_of_a_picture_is_that_of_a_fresh_editor(
    name: str, tiny_sd: Model, picture: Image.Image, tmp_path: Path
) -> None:
    model = editor_for(name, tiny_sd).model
    editor, stages = Editor(model), set[str]()
    method = short(name, tmp_path, model, change_map=soft_map())
    options: dict[str, Any] = {"seed": 5, "count": 1}
    first = editor.edit(picture, method, **options)
    planned = editor.plan(picture, method, **options)
    second = editor.edit(picture, method, **options, on_step=lambda step: stages.add(step.stage))
    assert same(first, second)
    saved = sum(second.cost.reused.values())
    both = [one.cost.forward_rows + one.cost.backward_rows for one in (first, second)]
    assert both[0] - both[1] == saved
    assert planned.least.forward_rows <= second.cost.forward_rows <= planned.most.forward_rows
    if name in INVERTING:
        assert saved > 0 and "invert" not in stages
        assert f"the inversion came from the cache: {saved} rows saved" in second.notices
    assert second.cost.reused


def test_another_prompt_or_seed_takes_the_same_ddim_inversion(tiny_sd: Model, picture: Image.Image) -> None:
    editor = Editor(tiny_sd)
    editor.edit(picture, DDIMInversion(**WORDS), seed=1)
    another = DDIMInversion(**{**WORDS, "prompt": "a big cat"})
    again = editor.edit(picture, another, seed=2)
    assert again.cost.reused["inversion"] > 0
    assert same(again, Editor(tiny_sd).edit(picture, another, seed=2))


def calls_of(model: Model, run: Callable[[], Any]) -> tuple[Any, int]:
    """What comes of it, and calls of the denoising network."""
    calls: list[int] = []
    predict = model.predict
    model.predict = lambda *args, **more: (calls.append(1), predict(*args, **more))[1]  # type: ignore[method-assign]
    try:
        return run(), len(calls)
    finally:
        del model.predict


@pytest.mark.parametrize("kind", ["ddim", "edit-friendly", "naive"])
def test_the_second_inversion_of_a_picture_calls_no_network(kind: str, tiny_sd: Model, picture: Image.Image) -> None:
    model = copy.deepcopy(tiny_sd)
    editor = Editor(model)
    settings: dict[str, Any] = {"method": kind, "num_inference_steps": 3, "prompt": "a cat", "seed": 1}
    first, paid = calls_of(model, lambda: editor.invert(picture, **settings))
    copied = first.to("cpu", copy=True)
    first.xs.zero_()  # the caller's own to change
    second, calls = calls_of(model, lambda: editor.invert(picture.copy(), **settings))
    assert paid > calls == 0 and second.report["reused_rows"] > 0
    assert second.sha256 == copied.sha256 and second.error == copied.error
    if kind != "naive":
        edit = (DDIMInversion if kind == "ddim" else DDPMInversion)(**WORDS)
        assert editor.edit(picture, edit, seed=1).cost.reused.get("inversion", 0) > 0
    changes: dict[str, Any] = {"prompt": "a dog", "num_inference_steps": 4, "skip": 0.5, "view": View(work_size=32)}
    for name, value in changes.items():
        other = {name: value}
        _, calls = calls_of(model, lambda: editor.invert(picture, **{**settings, **other}))  # noqa: B023
        assert calls > 0, other
    lora(model)
    again, calls = calls_of(model, lambda: editor.invert(picture, **settings))
    assert calls > 0 and again.sha256 != second.sha256
    assert again.sha256 == Editor(model, cache=False).invert(picture, **settings).sha256


def test_what_an_inversion_lacked_is_made_once(tiny_sd: Model, picture: Image.Image) -> None:
    model = copy.deepcopy(tiny_sd)
    editor = Editor(model)
    stored = editor.invert(picture, prompt="a cat", num_inference_steps=4, skip=0.5, seed=1, measured=False)
    method = DDPMInversion(prompt="a dog", skip=0.0)
    made = [editor.edit(picture, method, seed=2, inversion=stored) for _ in range(2)]
    assert [one.cost.reused.get("inversion's first levels", 0) > 0 for one in made] == [False, True]
    assert same(*made)
    lora(model)
    after = editor.edit(picture, method, seed=2, inversion=replace(stored, model_sha256=""))
    assert not after.cost.reused.get("inversion's first levels") and not same(after, made[0])


def lora(model: Any) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["to_k"], init_lora_weights=False)
    inject_adapter_in_model(config, model.denoiser, adapter_name="style")


def merged(model: Any) -> None:
    model.denoiser.conv_in.weight.data[0, 0, 0, 0] += 0.5  # behind autograd's back, as adapters are merged


def freed(model: Any) -> None:
    model.denoiser.enable_freeu(s1=0.5, s2=0.5, b1=1.5, b2=1.5)


def recoded(model: Any) -> None:
    model.vae.encoder.conv_in.weight.data.mul_(1.1)


def scaled(model: Any) -> None:
    model.vae.register_to_config(scaling_factor=0.3)


def rescheduled(model: Any) -> None:
    from scumble.core.schedule import Schedule

    model.schedule = Schedule.from_config({**model.schedule.config, "beta_end": 0.02})


def reread(model: Any) -> None:
    model.text.encoders[0].network.get_input_embeddings().weight.data.mul_(1.5)


def shifted(model: Any) -> None:
    model.denoiser.conv_out.bias.data += 0.1


@pytest.mark.parametrize("change", [lora, merged, freed, recoded, scaled, rescheduled, reread, shifted])
@pytest.mark.parametrize("method", [DDIMInversion(**WORDS), DDPMInversion(**WORDS)], ids=["ddim", "ddpm"])
def test_what_changed_on_the_model_is_never_answered_from_before(
    change: Callable[[Any], None], method: Any, tiny_sd: Model, picture: Image.Image
) -> None:
    model = copy.deepcopy(tiny_sd)
    editor = Editor(model)
    before = editor.edit(picture, method, seed=1)
    change(model)
    after = editor.edit(picture, method, seed=1)
    assert "inversion" not in after.cost.reused
    assert same(after, Editor(model, cache=False).edit(picture, method, seed=1))
    assert not same(before, after)


@pytest.mark.parametrize("field", ["source_prompt", "num_inference_steps", "skip", "inversion_start"])
def test_other_settings_of_an_inversion_make_another_one(field: str, tiny_sd: Model, picture: Image.Image) -> None:
    value = {"source_prompt": "a red cube", "num_inference_steps": 4, "skip": 0.5, "inversion_start": "same"}[field]
    editor, other = Editor(tiny_sd), DDIMInversion(**{**WORDS, field: value})
    editor.edit(picture, DDIMInversion(**WORDS), seed=1)
    made = editor.edit(picture, other, seed=1)
    assert "inversion" not in made.cost.reused
    assert same(made, Editor(tiny_sd).edit(picture, other, seed=1))


def test_a_hook_that_someone_attached_is_never_answered_from_before(tiny_sd: Model, picture: Image.Image) -> None:
    editor, network = Editor(tiny_sd), tiny_sd.denoiser
    before = editor.edit(picture, DDIMInversion(**WORDS), seed=1)
    hook = network.register_forward_hook(lambda module, given, output: (output[0] * 0.5,))
    try:
        after = editor.edit(picture, DDIMInversion(**WORDS), seed=1)
    finally:
        hook.remove()
    assert "inversion" not in after.cost.reused and not same(before, after)


def test_a_cache_is_bounded_switchable_and_may_be_shared(tiny_sd: Model, picture: Image.Image) -> None:
    cache = ContentCache(entries=3)
    editor = Editor(tiny_sd, cache=cache)
    for turn in range(4):
        editor.edit(picture.rotate(90 * turn), DDIMInversion(**WORDS), seed=1)
        assert len(cache) <= 3 and 0 < cache.bytes < 256e6
    assert "inversion" in Editor(tiny_sd, cache=cache).edit(picture.rotate(270), DDIMInversion(**WORDS)).cost.reused
    cache.clear()
    assert len(cache) == cache.bytes == 0
    small = ContentCache(megabytes=0.001)
    Editor(tiny_sd, cache=small).edit(picture, DDIMInversion(**WORDS), seed=1)
    assert small.bytes <= 1000
    off = Editor(tiny_sd, cache=False)
    assert not any(off.edit(picture, DDIMInversion(**WORDS), seed=1).cost.reused for _ in range(2))
    with pytest.raises(InputError, match="must be 0 or more, got -1"):
        ContentCache(entries=-1)


def test_threads_share_what_one_of_them_made(tiny_sd: Model, picture: Image.Image) -> None:
    editor = Editor(tiny_sd)
    jobs = [DDIMInversion(**{**WORDS, "prompt": prompt}) for prompt in ("a dog", "a cube", "sand", "a cat")]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda job: editor.edit(picture, job, seed=1), jobs * 2))
    assert sum("inversion" in one.cost.reused for one in made) == len(made) - 1
    fresh = [Editor(tiny_sd, cache=False).edit(picture, job, seed=1) for job in jobs]
    assert all(same(one, other) for one, other in zip(made, fresh * 2, strict=True))
