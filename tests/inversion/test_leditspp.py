"""LEDITS++ (arXiv 2311.16711) as a comparison: what its published pipeline shares with our inversion, what differs.

It is the same inversion with three changes, each shown here on the recorded case:

- its steps are SDE-DPM-Solver++ 2M. The first one is of first order, which is DDPM, so that its noise is ours; every
  later noise differs from ours by what the second order adds to the mean;
- its last step has no noise and what it misses is thrown away, so that the picture does not come back;
- words act by ``6 (eps(words) - eps())`` on a few cells only, those that attention and guidance both mark.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from scumble.controls.stored_noise import StoredNoise
from scumble.core.loop import denoise
from scumble.core.noise import GeneratorNoise
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.core.solver import Evaluation
from scumble.core.solvers import Ddim, ddim_std
from scumble.inversion.edit_friendly import edit_friendly
from scumble.inversion.inversion import Inversion
from scumble.methods.batch import X0, EditBatch
from scumble.methods.cache import Cache
from scumble.models.base import Model

SKIPPED = 2  # int(12 * 1.2) = 14 levels, of which the 12 least noisy ones are inverted


@dataclass
class Published:
    """The recorded run beside our inversion of the same picture, with the same draws at the same levels."""

    case: Any
    model: Model
    batch: EditBatch
    levels: tuple[Level, ...]
    x0: Tensor
    ours: Inversion

    def predict(self, x: Tensor, i: int, prompt: str = "") -> Prediction:
        with torch.no_grad():
            return self.model.predict(x, self.levels[i], self.batch.embed(prompt))

    def second_order(self, i: int, x0: Tensor, before: Tensor) -> Tensor:
        """What the second order adds to the mean of step i, from this and the last predicted picture."""
        now, last, target = (_log_ratio(self.levels[k]) for k in (i, i - 1, i + 1))
        h = target - now
        return 0.5 * self.levels[i + 1].a * (1 - math.exp(-2 * h)) * (x0 - before) * h / (now - last)

    def step(self, i: int, x: Tensor, prediction: Prediction) -> Tensor:
        """One step of ours with its noise."""
        mean, std = Ddim(eta=1.0).step([Evaluation(i, self.levels[i], x, prediction)], self.levels[i + 1])
        return mean + std * self.case["zs"][i - SKIPPED]


def _log_ratio(level: Level) -> float:
    return math.log(level.a) - math.log(level.s)


@pytest.fixture(scope="module")
def published(tiny_sd: Model, reference: Any) -> Published:
    case = reference("diffusers_leditspp")
    levels = tiny_sd.schedule.levels(14, "dpmpp_2m")
    seed = case.info["seed"]
    draws = GeneratorNoise(torch.Generator().manual_seed(seed))
    noisiest = [draws.normal((1, 4, 16, 16), "inversion", k) for k in range(12)][-1]
    x0 = (case["init_latents"] - levels[SKIPPED].s * noisiest) / levels[SKIPPED].a
    batch = EditBatch(
        tiny_sd, GeneratorNoise(torch.Generator().manual_seed(seed)), 1, (128, 128), cache=Cache({X0: x0})
    )
    ctx = batch.context(levels, Ddim(eta=1.0))
    with torch.no_grad():
        path = edit_friendly(ctx, x0, batch.guidance("", "", 1.0), first=SKIPPED, chunk=1)
    ours = Inversion("edit-friendly", levels, SKIPPED, path.xs, path.zs, path.residuals)
    return Published(case, tiny_sd, batch, levels, x0, ours)


def test_its_first_noise_is_ours_and_the_later_ones_differ_by_the_second_order_alone(published: Published) -> None:
    theirs, ours, levels = published.case["zs"], published.ours, published.levels
    assert ours.zs is not None
    torch.testing.assert_close(ours.zs[0], theirs[0], atol=5e-4, rtol=0)
    for i in range(SKIPPED + 1, 13):
        now, before = (published.predict(ours.x_at(k), k).x0 for k in (i, i - 1))
        more = published.second_order(i, now, before) / ddim_std(levels[i], levels[i + 1], 1.0)
        own = ours.zs[i - SKIPPED]
        torch.testing.assert_close(own - more, theirs[i - SKIPPED], atol=2e-3, rtol=0)
        assert float(more.abs().max()) > 0.05


def test_it_throws_away_what_its_last_step_misses_and_ours_gives_the_picture_back(published: Published) -> None:
    ours = published.ours
    assert bool((published.case["zs"][-1] == 0).all())
    ctx = published.batch.context(published.levels, Ddim(eta=1.0))
    guidance = published.batch.guidance("", "", 1.0)
    with torch.no_grad():
        assert torch.equal(denoise(ctx, [StoredNoise(ours), guidance]), published.x0)
    last = published.predict(ours.x_at(13), 13).x0
    assert float((last - published.x0).abs().max()) > 0.3


def test_its_words_act_on_the_few_cells_of_a_mask_and_elsewhere_its_steps_are_ours(published: Published) -> None:
    start, (first, second) = published.case["init_latents"], published.case["latents"][:2, None]
    before = published.predict(start, SKIPPED)
    torch.testing.assert_close(published.step(SKIPPED, start, before), first, atol=1e-3, rtol=0)  # words begin later

    i = SKIPPED + 1
    plain, told = published.predict(first, i), published.predict(first, i, "a dog")
    guided = Prediction.from_eps(plain.eps + 6 * (told.eps - plain.eps), first, published.levels[i])
    without, everywhere = (
        published.step(i, first, p) + published.second_order(i, p.x0, before.x0) for p in (plain, guided)
    )
    marked = ((second - without).abs() > 1e-3).any(1, keepdim=True)
    assert 0 < float(marked.float().mean()) < 0.2  # a threshold of 0.8, met with the attention's
    torch.testing.assert_close(torch.where(marked, everywhere, without), second, atol=1e-3, rtol=0)
    ours = published.step(i, first, guided)  # guidance in every cell, first order
    assert float((ours - second).abs().mean()) > 0.1
