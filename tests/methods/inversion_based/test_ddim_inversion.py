"""DDIM inversion as a method: how exact it is, and that it says so."""

from __future__ import annotations

import torch

from scumble.methods.inversion_based.ddim_inversion import DDIMInversion
from scumble.models.base import Model
from tests.support.inverting import SOURCE, job_of, result


def test_ddim_inversion_reconstructs_better_with_iterations_and_exactly_when_direct(tiny_sd: Model) -> None:
    same = {"prompt": "a photo of a cat", "guidance_scale": 1.0, **SOURCE}
    errors = []
    for more in ({}, {"iterations": 8, "tolerance": 0.0}):
        batch = job_of(tiny_sd)
        errors.append(float((result(DDIMInversion(**same, **more), batch) - batch.x0).square().mean().sqrt()))
    assert errors[1] < 0.1 * errors[0]
    batch = job_of(tiny_sd)
    strong = {**same, "guidance_scale": 3.5, "source_guidance_scale": 3.5}
    assert torch.equal(result(DDIMInversion(**strong, direct=True, chunk=1), batch), batch.x0)


def test_an_inversion_that_has_not_converged_says_so(tiny_sd: Model) -> None:
    batch = job_of(tiny_sd)
    result(DDIMInversion(iterations=2, tolerance=1e-6, **SOURCE), batch)
    assert any("in the last of 2 iterations" in notice for notice in batch.notices)


def test_one_path_serves_all_candidates(tiny_sd: Model) -> None:
    edit = DDIMInversion(prompt="a castle", guidance_scale=1.0, **SOURCE)
    batch = job_of(tiny_sd, [1, 2, 3])
    found = result(edit, batch)
    assert batch.cost.forward_rows == 6 + 3 * 6
    torch.testing.assert_close(found, found[:1].expand_as(found), atol=1e-4, rtol=0)  # nothing is drawn
