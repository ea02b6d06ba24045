"""Edit-friendly inversion by steps of second order: exact, in its file, and refused where its memory is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.controls.stored_noise import StoredNoise
from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState, StepResult
from scumble.core.dpm_solvers import DpmSolverPP2MSde
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.schedule import Schedule
from scumble.core.solvers import Ddim
from scumble.editing.editor import Editor
from scumble.editing.redo import redo
from scumble.errors import InputError, MethodError
from scumble.inversion.edit_friendly import edit_friendly
from scumble.inversion.inversion import Inversion
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
from scumble.models.base import Model
from tests.support.toys import SHAPE, STABLE_DIFFUSION, ToyNetwork, context

X0 = torch.randn(SHAPE, generator=torch.Generator().manual_seed(5))
WORDS = Guidance(Conditioning(torch.full((1, 2, 3), 0.3)), Conditioning(torch.zeros(1, 2, 3)), 3.0)
STEPS, FIRST = 8, 2


def run() -> RunState:
    schedule = Schedule.from_config({"_class_name": "DDIMScheduler", **STABLE_DIFFUSION})
    return context(ToyNetwork(), schedule.levels(STEPS), DpmSolverPP2MSde(STEPS))


def inversion(**settings: object) -> Inversion:
    ctx = run()
    path = edit_friendly(ctx, X0, WORDS, first=FIRST, **settings)  # type: ignore[arg-type]
    return Inversion("edit-friendly", ctx.levels, FIRST, path.xs, path.zs, path.residuals, rule="dpmpp_2m_sde")


def test_every_level_is_reached_again_bit_for_bit() -> None:
    stored, xs = inversion(chunk=1), list[Tensor]()

    def collect(_: RunState, result: StepResult) -> None:
        xs.append(result.x)

    denoise(run(), [StoredNoise(stored), WORDS], on_step=collect)
    assert len(xs) == STEPS - FIRST
    for reached, kept in zip(xs, stored.xs[1:], strict=True):
        assert torch.equal(reached, kept.to(reached.dtype))


@pytest.mark.parametrize("mode", ["parallel", "sequential"])
def test_both_orders_of_calls_lead_back(mode: str) -> None:
    result = denoise(run(), [StoredNoise(inversion(mode=mode)), WORDS])
    assert float((result - X0).abs().max()) < 1e-5


def test_the_second_order_differs_from_the_first() -> None:
    ctx = run()
    ctx.solver = Ddim(eta=1.0)
    first_order = edit_friendly(ctx, X0, WORDS, first=FIRST)
    zs = inversion().zs
    assert zs is not None
    assert torch.allclose(zs[0], first_order.zs[0], atol=1e-4)  # its first step remembers nothing
    assert float((zs[2] - first_order.zs[2]).abs().max()) > 1e-3


def test_its_file_knows_its_rule_and_a_later_beginning_is_refused(tmp_path: Path) -> None:
    stored = inversion()
    one = replace(stored, **{name: getattr(stored, name)[:, :1] for name in ("xs", "zs", "residuals")})
    one.save(tmp_path / "a.inversion.safetensors")
    assert Inversion.load(tmp_path / "a.inversion.safetensors").rule == "dpmpp_2m_sde"
    with pytest.raises(InputError, match="invert again"):
        stored.since(FIRST + 1)


def test_other_steps_may_not_replay_it() -> None:
    ctx = run()
    ctx.solver = Ddim(eta=1.0)
    with pytest.raises(MethodError, match="that of dpmpp_2m_sde steps"):
        StoredNoise(inversion()).check(ctx)


def test_an_edit_by_second_order_is_made_again_from_its_recipe(tiny_sd: Model, tmp_path: Path) -> None:
    picture = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    picture.save(tmp_path / "picture.png")
    steps = {"num_inference_steps": 4, "prompt": "a dog", "source_prompt": "a cat", "skip": 0.25}
    editor = Editor(tiny_sd)
    by_first = editor.edit(tmp_path / "picture.png", DDPMInversion(**steps), seed=5)
    by_second = editor.edit(tmp_path / "picture.png", DDPMInversion(**steps, solver="dpmpp_2m_sde"), seed=5)
    assert by_first.cost.forward_rows == by_second.cost.forward_rows
    assert not np.array_equal(np.asarray(by_first.images[0]), np.asarray(by_second.images[0]))
    by_second.save(tmp_path / "out.png")
    assert redo(tmp_path / "out.png", editor=editor).largest == 0
    with pytest.raises(MethodError, match="with its own noise"):
        editor.edit(tmp_path / "picture.png", DDPMInversion(**steps, solver="dpmpp_2m_sde", eta=0.5), seed=5)
