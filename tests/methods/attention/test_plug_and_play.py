"""Plug-and-Play as a method: its costs, its caches, maps on top, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.core.noise import CounterNoise
from scumble.editing.editor import Editor
from scumble.errors import InputError, MethodError
from scumble.inversion.settings import InversionSettings
from scumble.methods.attention.plug_and_play import PlugAndPlay
from scumble.methods.batch import X0, EditBatch
from scumble.methods.cache import Cache
from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
from scumble.methods.inversion_for import inversion_for
from scumble.models.base import Model

STEPS = 5
CAT, CASTLE = "a photo of a cat", "a photo of a castle"


def job_of(model: Model, x0: Tensor, seeds: tuple[int, ...] = (3,), **more: Any) -> EditBatch:
    """A job on a picture whose latent is known."""
    side = 16 * model.factor
    cache = more.pop("cache", None) or Cache({X0: x0})
    image = torch.zeros(1, 3, side, side)
    return EditBatch(model, CounterNoise(seeds), len(seeds), (side, side), image=image, cache=cache, **more)


def method(**options: Any) -> PlugAndPlay:
    given = {"prompt": CASTLE, "source_prompt": CAT, "num_inference_steps": STEPS, "guidance_scale": 4.0}
    return PlugAndPlay(**{**given, **options})


@pytest.fixture(scope="module")
def x0() -> Tensor:
    return 0.5 * torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(8))


def apart(a: Tensor | None, b: Tensor | None) -> float:
    assert a is not None and b is not None
    return float((a - b).abs().max())


def test_without_injection_it_is_ddim_inversion_with_other_words(tiny_sd: Model, x0: Tensor) -> None:
    batch = job_of(tiny_sd, x0)
    off = method(feature_fraction=0.0, attention_fraction=0.0).run(batch)
    plain = DDIMInversion(prompt=CASTLE, source_prompt=CAT, num_inference_steps=STEPS, guidance_scale=4.0, skip=0.0)
    assert apart(off, plain.run(job_of(tiny_sd, x0))) < 1e-4
    assert batch.cost.forward_rows == STEPS + 2 * STEPS


@pytest.mark.parametrize("trajectory", ["ddim", "edit-friendly"])
def test_features_are_looked_up_only_where_they_are_needed(tiny_sd: Model, x0: Tensor, trajectory: Any) -> None:
    batch = job_of(tiny_sd, x0)
    method(trajectory=trajectory, skip=0.0, feature_fraction=0.6, attention_fraction=0.4).run(batch)
    assert batch.cost.forward_rows == STEPS + 2 * STEPS + 3


def test_the_cache_changes_nothing_but_the_calls(tiny_sd: Model, x0: Tensor) -> None:
    cached, plain = job_of(tiny_sd, x0), job_of(tiny_sd, x0)
    assert apart(method().run(cached), method(cache=False).run(plain)) < 1e-4
    assert cached.cost.forward_rows == plain.cost.forward_rows


def test_batches_of_an_edit_share_the_inversion_and_the_features(tiny_sd: Model, x0: Tensor) -> None:
    first = job_of(tiny_sd, x0)
    method().run(first)
    second = job_of(tiny_sd, x0, cache=first.cache)
    method().run(second)
    assert second.cost.forward_rows == 2 * STEPS


def test_several_prompts_in_one_batch_are_those_made_alone(tiny_sd: Model, x0: Tensor) -> None:
    prompts = (CASTLE, "a photo of a car")
    batch = job_of(tiny_sd, x0, (3, 3), samples=(0, 2))
    both = method(prompt=prompts).run(batch)
    assert both is not None
    assert batch.cost.forward_rows == STEPS + 4 + 4 * STEPS
    for k, prompt in enumerate(prompts):
        assert apart(both[k : k + 1], method(prompt=prompt).run(job_of(tiny_sd, x0))) < 1e-3


def test_candidates_with_paths_of_their_own_look_at_their_own_features(tiny_sd: Model, x0: Tensor) -> None:
    both = method(trajectory="edit-friendly").run(job_of(tiny_sd, x0, (3, 4)))
    assert both is not None
    for k, seed in enumerate((3, 4)):
        alone = method(trajectory="edit-friendly").run(job_of(tiny_sd, x0, (seed,)))
        assert apart(both[k : k + 1], alone) < 1e-3


def test_the_same_words_without_guidance_give_the_picture_back(tiny_sd: Model, x0: Tensor) -> None:
    same = method(prompt=CAT, guidance_scale=1.0, trajectory="edit-friendly").run(job_of(tiny_sd, x0))
    assert apart(same, x0) < 1e-3


def test_pixels_that_the_map_keeps_are_byte_identical(tiny_editor: Editor, picture: Image.Image) -> None:
    change = torch.zeros(64, 64)
    change[:, 32:] = 1
    result = tiny_editor.edit(picture, method(change_map=change), seed=1)
    left = (0, 0, 32, 64)
    assert result.image.crop(left).tobytes() == picture.crop(left).tobytes()
    assert result.image.tobytes() != picture.tobytes()


def test_a_given_inversion_is_used_whatever_its_kind(tiny_sd: Model, x0: Tensor) -> None:
    for kind in ("ddim", "edit-friendly"):
        inversion = inversion_for(
            job_of(tiny_sd, x0), InversionSettings(kind=kind, num_inference_steps=STEPS, skip=0.2, prompt=CAT)
        )
        batch = job_of(tiny_sd, x0, inversion=inversion)
        PlugAndPlay(prompt=CASTLE, feature_fraction=0.5).run(batch)
        assert batch.cost.forward_rows == 2 * 4 + 2


def test_published_preset_looks_at_the_picture_without_words(tiny_sd: Model, reference: Any) -> None:
    """The published code asks for features under the empty prompt even when it inverted with another one."""
    case = reference("pnp")
    told = case.settings
    options = {
        "prompt": told["prompt"],
        "negative_prompt": told["negative_prompt"],
        "num_inference_steps": told["num_inference_steps"],
        "feature_fraction": told["pnp_f_t"],
        "attention_fraction": told["pnp_attn_t"],
        "guidance_scale": told["guidance_scale"],
    }
    made = PlugAndPlay(**options, source_prompt="", compat="official").run(job_of(tiny_sd, case["z0"]))
    assert apart(made, case["latent_9"]) < case.info["tolerance"]["latents"]
    said = {compat: PlugAndPlay(**options, source_prompt=CAT, compat=compat) for compat in ("official", None)}
    official, ours = (said[compat].run(job_of(tiny_sd, case["z0"])) for compat in ("official", None))
    assert apart(official, ours) > 1e-3


def test_what_cannot_be_done_is_said(tiny_sd: Model, x0: Tensor) -> None:
    with pytest.raises(MethodError, match=r"got eta 0\.5: use edit-friendly"):
        method(eta=0.5).run(job_of(tiny_sd, x0))
    with pytest.raises(InputError, match="edits a picture, but none was given"):
        method().run(EditBatch(tiny_sd, CounterNoise([1]), 1, (128, 128)))
    with pytest.raises(InputError, match="eta above 0"):
        method(trajectory="edit-friendly", eta=0.0).run(job_of(tiny_sd, x0))
