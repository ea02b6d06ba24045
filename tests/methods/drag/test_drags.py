"""Dragging: what holds on any weights, what is refused, what is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.images import to_tensor
from scumble.methods.batch import EditBatch
from scumble.methods.drag.bottleneck_features import BottleneckFeatures, LayerFeatures
from scumble.methods.drag.drag_diffusion import DragDiffusion
from scumble.methods.drag.drag_noise import DragNoise
from scumble.methods.drag.pulls import start_latent
from scumble.methods.drag.warp_drag import WarpDrag
from scumble.methods.inversion_for import inversion_for
from scumble.methods.registry import method_class
from scumble.models.base import Model
from scumble.records.recipe import Recipe

PAIR = ((20, 30, 32, 30),)
QUICK: dict[str, Any] = {
    "points": PAIR,
    "num_inference_steps": 6,
    "iterations": 3,
    "inversion_iterations": 1,
    "start": "picture",
}
BOTH = [DragNoise, DragDiffusion]


def half_mask() -> np.ndarray[Any, Any]:
    mask = np.zeros((64, 64), np.uint8)
    mask[8:56, 8:48] = 255
    return mask


def job_of(model: Model, picture: Image.Image, mask: Any = None) -> EditBatch:
    change = None if mask is None else torch.from_numpy(mask)[None, None] / 255
    return EditBatch(model, CounterNoise([0]), 1, (64, 64), image=to_tensor(picture), change=change)


@pytest.mark.parametrize("whole", [False, True])
def test_the_cached_decoder_equals_the_whole_network_bit_for_bit(
    whole: bool, tiny_sd: Model, picture: Image.Image
) -> None:
    batch = job_of(tiny_sd, picture)
    ctx = batch.context(batch.levels(6), Ddim())
    x, cond = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)), batch.embed("a cat")
    cached = BottleneckFeatures(tiny_sd, ctx, 2, x, cond, "up_blocks.2", whole)
    full = LayerFeatures(tiny_sd, ctx, 2, x, cond, "up_blocks.2", "mid_block", whole)
    start = cached.start
    assert torch.equal(start, full.start)
    gradients = []
    for look in (cached, full):
        h = (start + 0.1).requires_grad_()
        with torch.enable_grad():
            seen = look(h)
            loss = seen.feature.square().sum() + (0 if seen.after is None else seen.after.abs().sum())
        gradients.append((seen, *torch.autograd.grad(loss, h)))
    (one, first), (two, second) = gradients
    assert torch.equal(one.feature, two.feature)
    assert torch.equal(first, second)
    assert (one.after is None) is (not whole)
    assert one.after is None or two.after is None or torch.equal(one.after, two.after)
    assert not any(t.requires_grad for t in (cached.encoded.stem, cached.encoded.h, *cached.encoded.down[0][1]))


@pytest.mark.parametrize("method", BOTH)
def test_without_iterations_the_result_is_the_reconstruction(method: Any, tiny_sd: Model, picture: Image.Image) -> None:
    batch = job_of(tiny_sd, picture)
    made = method(**{**QUICK, "iterations": 0, "start": "warp"}).run(batch)
    torch.testing.assert_close(made, batch.x0, atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", BOTH)
def test_a_drag_shorter_than_a_grid_step_changes_nothing(method: Any, tiny_sd: Model, picture: Image.Image) -> None:
    batch = job_of(tiny_sd, picture)
    short = method(**{**QUICK, "points": ((20, 30, 20.5, 30),)})
    inversion = inversion_for(batch, short.inversion_settings(batch))
    found = short.optimized(batch, inversion)
    assert found.updates == 0
    torch.testing.assert_close(short.denoised(batch, inversion, found), batch.x0, atol=1e-4, rtol=0)


def test_never_propagated_is_the_reconstruction_whatever_the_bottleneck(tiny_sd: Model, picture: Image.Image) -> None:
    batch = job_of(tiny_sd, picture)
    made = DragNoise(**QUICK, learning_rate=5, end_steps=6).run(batch)
    torch.testing.assert_close(made, batch.x0, atol=1e-4, rtol=0)
    moved = DragNoise(**QUICK, learning_rate=5).run(job_of(tiny_sd, picture))
    assert moved is not None
    assert (moved - batch.x0).abs().max() > 0.01


@pytest.mark.parametrize("method", BOTH)
def test_no_parameter_has_a_gradient_and_all_stay_as_they_were(
    method: Any, tiny_sd: Model, picture: Image.Image
) -> None:
    before = [p.requires_grad for p in tiny_sd.denoiser.parameters()]
    method(**QUICK).run(job_of(tiny_sd, picture, half_mask()))
    assert all(p.grad is None for p in tiny_sd.denoiser.parameters())
    assert [p.requires_grad for p in tiny_sd.denoiser.parameters()] == before


@pytest.mark.parametrize("method", [*BOTH, WarpDrag])
def test_pixels_outside_the_mask_are_byte_identical(method: Any, tiny_editor: Editor, picture: Image.Image) -> None:
    options = {k: v for k, v in QUICK.items() if k in method.model_fields}
    result = tiny_editor.edit(picture, method(**options, change_map=half_mask()), seed=1)
    held = half_mask() == 0
    assert np.array_equal(np.asarray(result.image)[held], np.asarray(picture)[held])
    assert not np.array_equal(np.asarray(result.image), np.asarray(picture))


def test_a_mask_that_frees_everything_has_no_mask_term(tiny_sd: Model, picture: Image.Image) -> None:
    free, none = (job_of(tiny_sd, picture, mask) for mask in (np.full((64, 64), 255, np.uint8), None))
    for term in ("bottleneck", "latent"):
        method = DragNoise(**QUICK, mask_term=term, mask_weight=50)  # type: ignore[arg-type]
        one, two = (
            method.optimized(batch, inversion_for(batch, method.inversion_settings(batch))) for batch in (free, none)
        )
        torch.testing.assert_close(one.value, two.value, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", BOTH)
def test_stopping_early_changes_nothing(method: Any, tiny_sd: Model, picture: Image.Image) -> None:
    """The mask term with weight 0 runs the whole network; without a mask it ends after the supervision layer."""
    options = {**QUICK, "mask_weight": 0, **({"mask_term": "latent"} if method is DragNoise else {})}
    mask = np.full((64, 64), 255, np.uint8)
    found = []
    for batch in (job_of(tiny_sd, picture, mask), job_of(tiny_sd, picture)):
        drag = method(**options)
        found.append(drag.optimized(batch, inversion_for(batch, drag.inversion_settings(batch))).value)
    assert torch.equal(found[0], found[1])


def test_the_reference_row_does_not_feel_the_edited_one(tiny_sd: Model, picture: Image.Image) -> None:
    """With the very same x in both rows, looking at the reference is looking at oneself."""
    batch = job_of(tiny_sd, picture)
    method = DragDiffusion(**{**QUICK, "iterations": 0})
    inversion = inversion_for(batch, method.inversion_settings(batch))
    found = method.optimized(batch, inversion)
    alone = replace_reference(method).denoised(batch, inversion, found)
    torch.testing.assert_close(method.denoised(batch, inversion, found), alone, atol=1e-4, rtol=0)


def replace_reference(method: DragDiffusion) -> DragDiffusion:
    return method.model_copy(update={"reference": False})


def test_the_arrival_of_every_point_is_told(tiny_editor: Editor, picture: Image.Image) -> None:
    points = (((20, 30), (32, 30)), ((40, 40), (40, 50)))
    result = tiny_editor.edit(picture, DragNoise(**{**QUICK, "points": points}), seed=1, count=2, batch_size=1)
    for report in result.reports:
        told = report["points"]
        assert [p["distance"] for p in told] == [12.0, 10.0]
        assert all(p["arrival_error"] >= 0 and p["tracked_error"] >= 0 for p in told)
        assert report["supervision"] == "up_blocks.2"
    assert any("did not arrive" in notice and "or give a mask with --map" in notice for notice in result.notices)
    assert any("no prompt was given" in notice for notice in result.notices)
    assert any("all candidates are the same" in notice for notice in result.notices)
    assert np.array_equal(np.asarray(result.images[0]), np.asarray(result.images[1]))


def test_a_point_that_the_mask_holds_is_remarked(tiny_editor: Editor, picture: Image.Image) -> None:
    method = WarpDrag(points=((4, 4, 20, 20),), change_map=half_mask(), preview=True)
    result = tiny_editor.edit(picture, method, seed=1)
    assert any("handle of pair 1 lies where the mask is black" in notice for notice in result.notices)


@pytest.mark.parametrize(
    ("points", "said"),
    [((), "no points"), (((5, 5, 5, 5),), "to the same place"), (((5, 5, 99, 5),), "outside the picture of 64x64")],
)
@pytest.mark.parametrize("name", ["drag-noise", "drag-diffusion", "warp-drag"])
def test_points_that_cannot_be_dragged_are_refused(
    name: str, points: Any, said: str, tiny_editor: Editor, picture: Image.Image
) -> None:
    with pytest.raises(InputError, match=said):
        tiny_editor.edit(picture, method_class(name)(points=points), seed=0)


@pytest.mark.parametrize("points", [((1, 2, 3),), ((1, 2, 3, float("nan")),), ("1,2",), 5])
def test_points_that_are_no_numbers_are_refused(points: Any) -> None:
    with pytest.raises(InputError):
        DragNoise(points=points)


def test_a_stored_inversion_is_begun_from(tiny_editor: Editor, picture: Image.Image) -> None:
    inversion = tiny_editor.invert(picture, method="ddim", num_inference_steps=6, iterations=1, offsets=True, seed=0)
    fresh = tiny_editor.edit(picture, DragNoise(**QUICK), seed=1)
    stored = tiny_editor.edit(picture, DragNoise(**QUICK), seed=1, inversion=inversion)
    apart = np.asarray(fresh.image).astype(int) - np.asarray(stored.image).astype(int)
    assert np.abs(apart).max() <= 1
    assert stored.cost.forward_rows < fresh.cost.forward_rows


@pytest.mark.parametrize("method", BOTH)
def test_the_way_there_is_rendered_in_pictures(method: Any, tiny_editor: Editor, picture: Image.Image) -> None:
    plain = tiny_editor.edit(picture, method(**QUICK), seed=1)
    result = tiny_editor.edit(picture, method(**QUICK, frames=3), seed=1)
    assert len(result.frames) >= 3
    assert all(frame.size == picture.size for frame in result.frames)
    assert np.array_equal(np.asarray(result.frames[-1]), np.asarray(result.image))
    apart = np.asarray(plain.image).astype(int) - np.asarray(result.image).astype(int)
    assert np.abs(apart).max() <= 1


def test_a_preview_costs_no_network_call(tiny_editor: Editor, picture: Image.Image) -> None:
    result = tiny_editor.edit(picture, WarpDrag(points=PAIR, preview=True), seed=1)
    assert result.cost.network_calls == 0
    moved = np.asarray(result.image)[30, 32].astype(int) - np.asarray(picture)[30, 20].astype(int)
    assert np.abs(moved).max() <= 3


def test_an_iteration_costs_one_partial_row(tiny_sd: Model, picture: Image.Image) -> None:
    batch = job_of(tiny_sd, picture)
    method = DragNoise(**QUICK)
    inversion = inversion_for(batch, method.inversion_settings(batch))
    before = replace(batch.cost)
    found = method.optimized(batch, inversion)
    assert found.updates == 3
    assert batch.cost.backward_rows - before.backward_rows == 3
    assert batch.cost.forward_rows - before.forward_rows == 1 + 3 + 1  # encoder, iterations, last look
    assert method_class("warp") is WarpDrag


@pytest.mark.parametrize("method", BOTH)
def test_a_pulled_start_is_the_picture_where_the_mask_holds(method: Any, tiny_sd: Model, picture: Image.Image) -> None:
    batch = job_of(tiny_sd, picture, half_mask())
    drag = method(**{**QUICK, "start": "warp"})
    inversion = inversion_for(batch, drag.inversion_settings(batch))
    noise = start_latent(batch, drag, inversion) - inversion.x_at(inversion.first)
    assert noise[..., 4:6].abs().max() > 0.1
    made = drag.run(batch)
    assert made is not None
    torch.testing.assert_close(made[..., 7:], batch.x0[..., 7:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", BOTH)
def test_a_lora_is_trained_once_and_acts_in_the_drag(
    method: Any, tiny_editor: Editor, picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCUMBLE_CACHE", str(tmp_path))
    plain = tiny_editor.edit(picture, method(**QUICK), seed=1)
    dragged = method(**QUICK, lora_steps=2, lora_rank=2, lora_learning_rate=0.5)
    counted: list[int] = []
    first = tiny_editor.edit(picture, dragged, seed=1, on_step=lambda step: counted.append(step.steps))
    assert len(list((tmp_path / "lora").glob("*.safetensors"))) == 1
    assert counted[:2] == [2, 2]
    assert not np.array_equal(np.asarray(first.image), np.asarray(plain.image))
    again = tiny_editor.edit(picture, dragged, seed=1)
    assert np.array_equal(np.asarray(first.image), np.asarray(again.image))
    assert first.cost.forward_rows - again.cost.forward_rows == 2 * 4
    assert first.cost.backward_rows - again.cost.backward_rows == 2 * 4
    assert np.array_equal(np.asarray(tiny_editor.edit(picture, method(**QUICK), seed=1).image), np.asarray(plain.image))


def test_the_former_name_of_the_patch_radius_still_works_in_code_and_recipes() -> None:
    assert DragNoise(window=2) == DragNoise(patch_radius=2)  # type: ignore[call-arg]
    recipe: dict[str, Any] = {"method": "drag-noise", "parameters": {"window": 2}, "seed": 0, "size": (8, 8)}
    recipe["model"] = {"name": "still-life", "sha256": "0" * 64}
    method = Recipe.model_validate(recipe).build()
    assert isinstance(method, DragNoise)
    assert method.patch_radius == 2
    assert "window" not in method.model_dump()
