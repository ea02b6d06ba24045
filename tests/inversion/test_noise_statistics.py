"""Closed-form statistics of the noise on data whose denoiser is known exactly, and the tables made of them."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.noise import GeneratorNoise
from scumble.core.schedule import Level, Schedule
from scumble.core.solvers import Ddim
from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.inversion.ddpm import naive
from scumble.inversion.edit_friendly import edit_friendly
from scumble_lab.analysis.gaussian import GaussianNetwork, edit_friendly_covariance
from scumble_lab.analysis.noise import StepNoise, analyse_noise, plot, step_noise, write_csv

LEVELS = Schedule.from_config({"_class_name": "DDPMScheduler", "beta_schedule": "linear"}).levels(40)
NOTHING = Guidance(Conditioning(), Conditioning(), 1.0)
POINTS = 8000


def toy() -> tuple[RunState, Tensor]:
    """A run on 2-D points around (10, 10) (arXiv 2304.06140 section 3)."""
    noise, mean = GeneratorNoise(torch.Generator().manual_seed(0)), torch.full((2, 1, 1), 10.0)
    shape = (POINTS, 2, 1, 1)
    ctx = RunState(GaussianNetwork(mean), LEVELS, Ddim(eta=1.0), noise, shape, torch.device("cpu"), Cost())
    return ctx, mean + noise.normal(shape, "data")


@pytest.fixture(scope="module")
def friendly() -> list[StepNoise]:
    ctx, x0 = toy()
    return step_noise(edit_friendly(ctx, x0, NOTHING).zs, LEVELS)


def test_variances_of_edit_friendly_noise_are_those_of_the_closed_form(friendly: list[StepNoise]) -> None:
    assert len(friendly) == 39  # the last step has no noise
    for row in friendly[:-1]:
        exact = edit_friendly_covariance(LEVELS, row.step)
        assert row.variance == pytest.approx(exact, rel=0.06)
        assert exact > 4  # that of ordinary sampling is 1


def test_consecutive_edit_friendly_noise_turns_back_and_others_are_independent(friendly: list[StepNoise]) -> None:
    ctx, x0 = toy()
    zs = edit_friendly(ctx, x0, NOTHING).zs.flatten(1)
    for row in friendly[:-2]:
        i = row.step
        lag1 = edit_friendly_covariance(LEVELS, i, 1)
        exact = lag1 / (edit_friendly_covariance(LEVELS, i) * edit_friendly_covariance(LEVELS, i + 1)) ** 0.5
        assert row.correlation == pytest.approx(exact, abs=0.04)
        assert exact == pytest.approx(-0.5, abs=0.03)
        assert abs(float(torch.corrcoef(zs[[i, i + 2]])[0, 1])) < 0.06


def test_three_of_four_angles_between_consecutive_edit_friendly_vectors_are_obtuse(friendly: list[StepNoise]) -> None:
    shares = torch.tensor([row.obtuse for row in friendly[:-2]], dtype=torch.float64)
    angles = torch.tensor([row.angle for row in friendly[:-2]], dtype=torch.float64)
    assert float(shares.mean()) == pytest.approx(0.75, abs=0.01)
    assert float(angles.mean()) == pytest.approx(120, abs=1.5)


def test_naive_noise_is_close_to_that_of_ordinary_sampling() -> None:
    ctx, x0 = toy()
    rows = step_noise(naive(ctx, x0, NOTHING).zs, LEVELS)[:20]
    assert all(abs(row.variance - 1) < 0.1 for row in rows)
    assert all(abs(row.correlation or 1.0) < 0.06 for row in rows)
    assert all(abs((row.obtuse or 0.0) - 0.5) < 0.04 for row in rows)


def test_the_oracle_is_the_best_denoiser() -> None:
    ctx, x0 = toy()
    for i in (0, 20, 39):
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(100 + i))
        x = ctx.noised(x0, eps, i)
        found = ctx.network.predict(x, LEVELS[i], Conditioning()).x0
        best = float((found - x0).square().mean())
        assert best == pytest.approx(LEVELS[i].s ** 2, rel=0.05)  # the posterior variance
        for other in (found * 1.05, found + 0.05 * x):
            assert float((other - x0).square().mean()) > best


def test_measures_of_known_maps_are_what_they_must_be() -> None:
    levels = tuple(Level(float(t), 0.5, 0.5) for t in (3, 2, 1, 0))
    z = torch.tensor([[[1.0, 0.0]], [[-2.0, 0.0]], [[0.0, 0.0]]])[..., None, None]
    (first, second) = step_noise(z, levels)
    assert (first.step, first.t, first.variance) == (0, 3.0, 0.25)
    assert first.angle == pytest.approx(180)
    assert first.obtuse == 1.0
    assert first.correlation == pytest.approx(-1)
    assert (second.variance, second.correlation, second.angle) == (1.0, None, None)


def test_an_image_is_analysed_into_a_table_and_a_plot(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path
) -> None:
    found = analyse_noise(tiny_editor, [picture, picture.rotate(90)], num_inference_steps=6, seed=3)
    assert list(found) == ["edit-friendly", "naive", "native"]
    assert all(len(rows) == 6 for rows in found.values())
    assert all(0.9 < row.variance < 1.1 for row in found["native"])
    zs = tiny_editor.invert(picture, num_inference_steps=6, skip=0.0, seed=3, measured=False).zs
    turned = tiny_editor.invert(picture.rotate(90), num_inference_steps=6, skip=0.0, seed=4, measured=False).zs
    assert zs is not None
    assert turned is not None
    both = torch.cat([zs, turned], dim=1).flatten(1)
    for row, z in zip(found["edit-friendly"], both, strict=True):
        assert row.variance == pytest.approx(float(z.var(correction=0)), rel=1e-4)
    write_csv(tmp_path / "noise.csv", found)
    rows = list(csv.DictReader((tmp_path / "noise.csv").open()))
    assert len(rows) == 18
    assert float(rows[0]["variance"]) == pytest.approx(found["edit-friendly"][0].variance, rel=1e-5)
    pytest.importorskip("matplotlib")
    plot(tmp_path / "noise.png", found)
    assert Image.open(tmp_path / "noise.png").width > 1000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["noise.csv", "noise.png"]


def test_analysis_refuses_what_cannot_be_compared(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="no picture"):
        analyse_noise(tiny_editor, [])
    with pytest.raises(InputError, match="2 prompts were given for 1 pictures"):
        analyse_noise(tiny_editor, [picture], prompts=["a", "b"])
    with pytest.raises(InputError, match="folder"):
        write_csv(tmp_path / "missing" / "noise.csv", {})
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match="matplotlib"):
        plot(tmp_path / "noise.png", {})


def test_the_example_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import runpy

    example = Path(__file__).parents[2] / "examples" / "gaussian_toy.py"
    run = runpy.run_path(str(example))
    run["main"].__globals__["POINTS"] = 500
    run["main"]()
    printed = capsys.readouterr().out
    assert "edit-friendly  mean angle" in printed
