"""Edit-friendly inversion as a method: reconstruction, maps, several targets and seeds, shifts, refusals."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.core.noise import CounterNoise
from scumble.editing.editor import Editor
from scumble.errors import InputError, MethodError
from scumble.images.color import tinted
from scumble.inversion.official import inversion_rules
from scumble.inversion.settings import InversionSettings
from scumble.methods.batch import EditBatch
from scumble.methods.defaults import default_skip
from scumble.methods.inversion_based.cycle_diffusion import CycleDiffusion
from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
from scumble.methods.inversion_fields import InversionFields
from scumble.methods.inversion_for import inversion_for
from scumble.methods.watch import Watch
from scumble.models.base import Model
from tests.support.blended import tiny_ddpm
from tests.support.inverting import SOURCE, N, job_of, result


@pytest.mark.parametrize("skip", [0.0, 0.7])
@pytest.mark.parametrize("method", [DDPMInversion, CycleDiffusion])
@pytest.mark.parametrize("scale", [1.0, 3.5])
def test_the_source_s_own_words_give_the_picture_back_bit_for_bit(
    method: type[DDPMInversion], scale: float, skip: float, tiny_sd: Model
) -> None:
    batch = job_of(tiny_sd)
    same = {"prompt": "a photo of a cat", "guidance_scale": scale, "source_guidance_scale": scale}
    found = result(method(**same, **SOURCE, skip=skip, chunk=1), batch)
    assert torch.equal(found, batch.x0)
    near = result(method(**same, **SOURCE, skip=skip), job_of(tiny_sd))
    torch.testing.assert_close(near, batch.x0, atol=2e-4, rtol=0)
    other = result(method(**{**same, "prompt": "a castle"}, **SOURCE, skip=skip), job_of(tiny_sd))
    assert float((other - batch.x0).abs().max()) > 0.05


def test_a_pixel_model_with_clipping_gives_the_picture_back_bit_for_bit() -> None:
    model = tiny_ddpm(clip_sample=True)
    assert model.clip_sample is not None
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for method in (DDPMInversion, CycleDiffusion):
        batch = EditBatch(model, CounterNoise([3]), 1, (32, 32), image=image)
        assert torch.equal(result(method(num_inference_steps=8, skip=0.25, chunk=1), batch), image)
    with pytest.raises(MethodError, match="takes no words"):
        Editor(model).edit(Image.new("RGB", (32, 32)), DDPMInversion(prompt="a cat"))


@pytest.mark.parametrize("method", [DDPMInversion, CycleDiffusion, DDIMInversion])
def test_a_map_of_ones_is_no_map_and_one_of_zeros_keeps_every_latent(
    method: type[InversionFields], tiny_sd: Model
) -> None:
    edit = method(prompt="a castle", **SOURCE)
    plain = result(edit, job_of(tiny_sd))
    assert torch.equal(result(edit, job_of(tiny_sd, change=torch.ones(1, 1, 128, 128))), plain)
    batch = job_of(tiny_sd, change=torch.zeros(1, 1, 128, 128))
    assert torch.equal(result(edit, batch), batch.x0)


@pytest.mark.parametrize("method", [DDPMInversion, CycleDiffusion, DDIMInversion])
def test_kept_cells_end_as_the_picture_s_and_the_others_change(method: type[InversionFields], tiny_sd: Model) -> None:
    change = torch.zeros(1, 1, 128, 128)
    change[..., 32:96, 32:96] = 1.0
    change[..., :32] = 0.3
    seen: list[Tensor] = []
    batch = job_of(tiny_sd, change=change, watch=Watch(lambda progress: seen.append(progress.x0)))
    found = result(method(prompt="a castle", guidance_scale=7.0, **SOURCE), batch)
    cells = batch.latent_change().expand_as(found) > 0
    assert torch.equal(found[~cells], batch.x0[~cells])
    assert bool((found[cells] != batch.x0[cells]).all())
    assert seen


def test_a_map_over_nothing_returns_the_input_s_bytes(tiny_editor: Editor, picture: Image.Image) -> None:
    change = np.zeros((64, 64))
    change[20:40, 10:50] = 1
    edit = DDPMInversion(prompt="a castle", change_map=change, **SOURCE)
    found = tiny_editor.edit(picture, edit, seed=1)
    before, after = np.asarray(picture), np.asarray(found.image)
    assert np.array_equal(before[change == 0], after[change == 0])
    assert not np.array_equal(before, after)
    nothing = tiny_editor.edit(picture, DDPMInversion(prompt="a castle", change_map=0), seed=1)
    assert np.array_equal(before, np.asarray(nothing.image))
    assert nothing.cost.forward_rows == 0


@pytest.mark.parametrize("method", [DDPMInversion, CycleDiffusion, DDIMInversion])
def test_skipping_every_step_returns_the_input_and_asks_the_network_nothing(
    method: type[Any], tiny_editor: Editor, picture: Image.Image
) -> None:
    found = tiny_editor.edit(picture, method(prompt="a castle", skip=1.0, **SOURCE), seed=1)
    assert np.array_equal(np.asarray(found.image), np.asarray(picture))
    assert found.cost.network_calls == 0


@pytest.mark.parametrize(("source", "scale", "rows"), [("a cat", 1.0, 1), ("a cat", 3.5, 2), ("", 3.5, 1)])
def test_rows_are_two_a_step_and_one_or_two_a_level_that_is_not_skipped(
    source: str, scale: float, rows: int, tiny_sd: Model
) -> None:
    batch = job_of(tiny_sd)
    edit = DDPMInversion(
        prompt="a dog", source_prompt=source, source_guidance_scale=scale, skip=1 / 3, num_inference_steps=N
    )
    result(edit, batch)
    assert batch.cost.forward_rows == (rows + 2) * 4


def test_several_prompts_are_one_batch_from_one_inversion(tiny_sd: Model) -> None:
    prompts = ("a dog", "a castle", "a photo of a cat")
    edit = DDPMInversion(prompt=prompts, **SOURCE)
    assert edit.variants == 3
    batch = job_of(tiny_sd, [3, 4, 5])
    found = result(edit, batch)
    assert batch.cost.forward_rows == 5 + 2 * 3 * 5  # the inversion has one path
    for row, prompt in zip(found, prompts, strict=True):
        own = result(DDPMInversion(prompt=prompt, **SOURCE), job_of(tiny_sd, [3]))
        torch.testing.assert_close(row[None], own, atol=5e-4, rtol=0)


def test_prompts_ask_for_their_candidates_and_share_an_inversion_between_batches(
    tiny_editor: Editor, picture: Image.Image
) -> None:
    edit = DDPMInversion(prompt=("a dog", "a castle", "snow"), **SOURCE)
    together = tiny_editor.edit(picture, edit, seed=1)
    apart = tiny_editor.edit(picture, edit, seed=1, batch_size=2)
    assert len(together.images) == len(apart.images) == together.recipe.count == 3
    assert together.cost.forward_rows == apart.cost.forward_rows
    for one, other in zip(together.images, apart.images, strict=True):
        assert int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max()) <= 1


def test_each_seed_has_its_own_inversion_whatever_the_batch(tiny_sd: Model) -> None:
    edit = DDPMInversion(prompt="a castle", **SOURCE)
    both = result(edit, job_of(tiny_sd, [3, 9]))
    for row, seed in zip(both, (3, 9), strict=True):
        torch.testing.assert_close(row[None], result(edit, job_of(tiny_sd, [seed])), atol=5e-4, rtol=0)
    assert float((both[0] - both[1]).abs().max()) > 0.05


def test_a_shift_is_rounded_to_cells_and_leaves_kept_cells_alone(tiny_sd: Model) -> None:
    change = torch.zeros(1, 1, 128, 128)
    change[..., 64:] = 1.0
    batch = job_of(tiny_sd, change=change)
    found = result(DDPMInversion(shift=(17, -8), **SOURCE), batch)
    assert any("rounded to 16, -8" in notice for notice in batch.notices)
    assert torch.equal(found[..., :8], batch.x0[..., :8])
    moved = result(DDPMInversion(shift=(16, -8), **SOURCE), job_of(tiny_sd, change=change))
    assert torch.equal(found, moved)
    assert float((moved - result(DDPMInversion(**SOURCE), job_of(tiny_sd, change=change))).abs().max()) > 0.05


def test_moved_and_mirrored_pictures_are_their_codes_moved_and_mirrored(tiny_sd: Model) -> None:
    """With all steps skipped the code is the clean latent itself, so the network has no say."""
    batch = job_of(tiny_sd)
    assert torch.equal(result(DDPMInversion(shift=(24, -8), skip=1.0), batch), batch.x0.roll((-1, 3), (-2, -1)))
    assert torch.equal(result(DDPMInversion(flip="horizontal", skip=1.0), batch), batch.x0.flip(-1))
    assert torch.equal(result(DDPMInversion(flip="vertical", skip=1.0), batch), batch.x0.flip(-2))
    fresh = result(DDPMInversion(shift=(24, 0), exposed="fresh", skip=1.0), batch)
    assert torch.equal(fresh[..., 3:], batch.x0[..., :-3])
    assert bool((fresh[..., :3] != batch.x0[..., -3:]).all())


def test_a_colour_draws_the_changed_region_to_its_shades_or_as_published_to_the_flat_colour(tiny_sd: Model) -> None:
    change = torch.zeros(1, 1, 128, 128)
    change[..., 32:96, 32:96] = 1.0
    red = torch.tensor([1.0, -1.0, -1.0])
    shades = tiny_sd.encode(tinted(job_of(tiny_sd).picture, red, change))
    flat = tiny_sd.encode(red.reshape(1, 3, 1, 1).expand(1, 3, 128, 128))
    for target, more in ((shades, {}), (flat, {"compat": "official", "skip": 0.5})):
        distance = []
        for strength in (0.3, 0.0, -0.3):
            batch = job_of(tiny_sd, change=change)
            found = result(DDPMInversion(color="#ff0000", color_strength=strength, **more, **SOURCE), batch)
            distance.append(float((found - target)[..., 4:12, 4:12].square().mean()))
            assert torch.equal(found[..., :4, :], batch.x0[..., :4, :])
        assert distance[0] < distance[1] < distance[2]


def test_a_noise_edit_without_words_keeps_the_picture_s_own_at_their_own_guidance(tiny_sd: Model) -> None:
    said = {**SOURCE, "source_guidance_scale": 2.0, "skip": 0.5, "flip": "horizontal"}
    silent = result(DDPMInversion(**said), job_of(tiny_sd))
    told = result(DDPMInversion(prompt=SOURCE["source_prompt"], guidance_scale=2.0, **said), job_of(tiny_sd))
    assert torch.equal(silent, told)
    assert torch.equal(result(DDPMInversion(**SOURCE, chunk=1), job_of(tiny_sd)), job_of(tiny_sd).x0)


@pytest.mark.parametrize(
    ("edit", "steps"), [({}, 8), ({"flip": "vertical"}, 4), ({"shift": (8, 0)}, 4), ({"color": "red"}, 5)]
)
def test_noise_edits_leave_out_the_early_steps_also_of_a_file_but_never_go_back_before_it(
    edit: dict[str, Any], steps: int, tiny_sd: Model
) -> None:
    known = {"source_prompt": "a cat", "num_inference_steps": 10}
    batch = job_of(tiny_sd)
    result(DDPMInversion(**edit, **known), batch)
    assert batch.cost.forward_rows == 2 * steps
    stored = inversion_for(job_of(tiny_sd), InversionSettings(num_inference_steps=10, skip=0.8, prompt="a cat"))
    batch = job_of(tiny_sd, inversion=stored)
    result(DDPMInversion(**edit), batch)
    assert batch.cost.forward_rows == 2


def test_what_is_left_out_is_as_published_for_models_of_photographs_and_in_the_preset(tiny_sd: Model) -> None:
    assert default_skip(tiny_sd, "edit-friendly") == default_skip(tiny_sd, "naive") == 0.2
    assert inversion_rules("official").skip == 0.36
    large = copy.copy(tiny_sd)
    large.native_size = 512
    assert default_skip(large, "edit-friendly") == 0.36
    assert default_skip(large, "ddim") == default_skip(tiny_sd, "ddim") == 0.0
    for model, scale in ((tiny_sd, 3.0), (large, 15.0)):
        found = result(DDPMInversion(prompt="a dog", **SOURCE, skip=0.5), job_of(model))
        same = result(DDPMInversion(prompt="a dog", **SOURCE, skip=0.5, guidance_scale=scale), job_of(model))
        assert torch.equal(found, same)


def test_words_that_the_text_encoder_cannot_see_are_named(tiny_editor: Editor, picture: Image.Image) -> None:
    prompt = " ".join(["red"] * 1300 + ["zebra"])  # more than sixteen pieces of 75
    found = tiny_editor.edit(picture, DDPMInversion(prompt=prompt, skip=0.8, **SOURCE), seed=1)
    told = [notice for notice in found.notices if "longer than the model reads" in notice]
    assert len(told) == 1
    assert told[0].endswith("zebra")


@pytest.mark.parametrize(
    "wrong",
    [{"skip": 1.5}, {"eta": 0}, {"eta": 1.1}, {"color": "octarine"}, {"chunk": 0}, {"num_inference_steps": 0}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        DDPMInversion(**wrong)
