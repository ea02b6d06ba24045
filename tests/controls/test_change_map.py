"""Places freed inside a step: few steps know as many strengths as many, and whole steps are what they were."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.change_map import FEW_STEPS, ChangeMap, NoisedSource, release_fraction, release_index
from scumble.core.noise import CounterNoise
from scumble.methods.batch import EditBatch
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.models.base import Model
from scumble.records.absent import with_absent

OPTIONS: dict[str, Any] = {"prompt": "a house", "num_inference_steps": 4, "guidance_scale": 3.0}


def batch_of(
    model: Model, change: Tensor | float | None, substeps: bool | None = None, seeds: tuple[int, ...] = (3,)
) -> EditBatch:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    if isinstance(change, float):
        change = torch.full((1, 1, 64, 64), change)
    return EditBatch(model, CounterNoise(seeds), len(seeds), (64, 64), image=image, change=change, substeps=substeps)


def run(method: DifferentialDiffusion | SDEdit, batch: EditBatch) -> Tensor:
    made = method.run(batch)
    assert made is not None
    return made


@pytest.mark.parametrize("first", [0, 1, 0.6, 2.4])
def test_index_and_fraction_are_the_time_of_release(first: float) -> None:
    change = torch.linspace(0, 1, 41).reshape(1, 1, 1, -1)
    index, fraction = release_index(change, 4, first), release_fraction(change, 4, first)
    expected = first + (1 - change.double()) * (4 - first)
    assert torch.allclose(index + fraction, expected, atol=1e-5)
    assert bool((fraction >= 0).all() and (fraction < 1).all())


@pytest.mark.parametrize("value", [0.25, 0.5, 1.0])
def test_whole_steps_are_what_they_were(tiny_sd: Model, value: float) -> None:
    made = [run(DifferentialDiffusion(**OPTIONS), batch_of(tiny_sd, value, substeps)) for substeps in (False, True)]
    assert torch.equal(made[0], made[1])


def test_a_step_is_divided_between_its_ends(tiny_sd: Model) -> None:
    """Value 1/4 + f/4 lies as far between two neighbors as f says, in the step that divides them."""
    ends = []
    for held in (False, True):  # a run that frees all at the last step, and one that frees nothing
        batch = batch_of(tiny_sd, 0.25)
        levels = batch.levels(4)
        release = torch.full((1, 1, *batch.shape[2:]), 4 if held else 3)
        control = ChangeMap(release, NoisedSource(batch.x0))
        ends.append(
            batch.denoise(levels, SDEdit(**OPTIONS).make_solver(batch, 4), [control, batch.guidance("a house", "", 3)])
        )
    for share in (0.25, 0.5, 0.75):
        made = run(DifferentialDiffusion(**OPTIONS), batch_of(tiny_sd, 0.25 * share))
        assert torch.allclose(made, torch.lerp(ends[1], ends[0], share), atol=1e-5)


def test_a_few_steps_know_many_strengths(tiny_sd: Model) -> None:
    values = [k / 20 for k in range(1, 21)]
    made = {
        substeps: [run(DifferentialDiffusion(**OPTIONS), batch_of(tiny_sd, value, substeps)) for value in values]
        for substeps in (False, None)
    }
    distinct = {key: len({tuple(x.flatten().tolist()) for x in results}) for key, results in made.items()}
    assert distinct == {False: 4, None: 20}


@pytest.mark.parametrize("value", [0.1, 0.33, 0.6, 0.95])
def test_a_constant_map_equals_a_strength_of_sdedit_bit_for_bit(tiny_sd: Model, value: float) -> None:
    mapped = run(DifferentialDiffusion(**OPTIONS), batch_of(tiny_sd, value))
    plain = run(SDEdit(strength=float(torch.tensor(value)), **OPTIONS), batch_of(tiny_sd, None))
    assert torch.equal(mapped, plain)


def test_no_further_evaluation_is_needed(tiny_sd: Model) -> None:
    batches = [batch_of(tiny_sd, 0.6, substeps) for substeps in (False, True)]
    for batch in batches:
        run(DifferentialDiffusion(**OPTIONS), batch)
    assert batches[0].cost.forward_rows == batches[1].cost.forward_rows == 6


def test_rows_with_their_own_maps_equal_single_runs_and_value_0_is_exact(tiny_sd: Model) -> None:
    maps = torch.stack([torch.full((1, 64, 64), value) for value in (0.3, 0.85)])
    maps[:, :, :, :32] = 0
    method = DifferentialDiffusion(**OPTIONS)
    both = run(method, batch_of(tiny_sd, maps, seeds=(3, 3)))
    for k in range(2):
        alone = run(method, batch_of(tiny_sd, maps[k : k + 1]))
        assert torch.allclose(both[k], alone[0], atol=1e-5)
    half = both.shape[-1] // 2
    assert torch.equal(both[..., :half], batch_of(tiny_sd, None).x0[..., :half].expand(2, -1, -1, -1))


def test_many_steps_are_not_divided_by_default(tiny_sd: Model) -> None:
    assert batch_of(tiny_sd, None).divides(FEW_STEPS - 1) and not batch_of(tiny_sd, None).divides(FEW_STEPS)


def test_a_recipe_of_an_earlier_version_frees_at_whole_steps() -> None:
    fields = SDEdit.model_fields
    old, new = (SDEdit(**with_absent({}, format_, fields)) for format_ in (1, 2))
    assert (old.divides_steps, new.divides_steps) == (False, None)
    assert DifferentialDiffusion(compat="official").divides_steps is False


def test_strength_times_map_is_rounded_once() -> None:
    """All products of hundredths and grey levels run ``ceil(N s m)`` steps, but for 0.1's rule."""
    steps, greys = 50, torch.arange(1, 256, dtype=torch.float64) / 255
    double = 0
    for strength in (k / 100 for k in range(1, 101)):
        batch = EditBatch.__new__(EditBatch)
        batch.substeps = None
        runs = steps - release_index(greys, steps, batch.begin(strength, steps))
        assert torch.equal(runs, torch.ceil(steps * strength * greys - 1e-6).long())
        batch.substeps = False
        double += int((steps - release_index(greys, steps, batch.begin(strength, steps)) != runs).sum())
    assert double > 2000
