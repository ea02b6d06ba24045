from __future__ import annotations

from typing import Any

import pytest
import torch

from scumble.errors import CheckpointError, MethodError
from scumble.models.loading import from_pipe
from scumble.models.pixel import PixelModel
from tests.support.tiny import make_pixel_unet


@pytest.fixture(scope="module")
def model(ddpm_pipe: Any) -> Any:
    return from_pipe(ddpm_pipe)


def test_a_pixel_model_says_what_it_is(model: Any) -> None:
    assert (model.factor, model.multiple, model.native_size, model.channels) == (1, 2, 16, 3)
    assert not model.takes_text
    assert model.clip_sample == 1.0


def test_pictures_are_their_own_latents(model: Any) -> None:
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.equal(model.encode(image), image)
    assert torch.equal(model.encode(image, torch.randn_like(image)), image)
    assert torch.equal(model.decode(image), image)


def test_predictions_equal_a_direct_call_and_carry_the_learned_variance(model: Any, ddpm_pipe: Any) -> None:
    x, level = torch.randn(2, 3, 16, 16), model.schedule.at(400)
    with torch.no_grad():
        output = ddpm_pipe.unet(x, 400).sample
        found = model.predict(x, level, model.embed(["", ""]))
    assert torch.equal(found.eps, output[:, :3])
    assert found.variance is not None
    assert torch.equal(found.variance, output[:, 3:])


def test_a_network_of_fixed_variance_has_none(model: Any) -> None:
    fixed = PixelModel("fixed", make_pixel_unet(out_channels=3), model.schedule.config, model.device)
    with torch.no_grad():
        assert fixed.predict(torch.randn(1, 3, 16, 16), model.schedule.at(9), fixed.embed([""])).variance is None


def test_a_level_per_row_equals_separate_calls(model: Any) -> None:
    x, levels = torch.randn(2, 3, 16, 16), [model.schedule.at(3), model.schedule.at(700)]
    with torch.no_grad():
        together = model.predict(x, levels, model.embed([""]))
        for i, level in enumerate(levels):
            alone = model.predict(x[i : i + 1], level, model.embed([""]))
            assert torch.allclose(together.eps[i : i + 1], alone.eps, atol=1e-5)


def test_words_are_refused_where_there_is_no_text(model: Any) -> None:
    assert model.embed(["a cat"]).embeds is None
    assert model.words_cut("a cat") == ""
    with pytest.raises(MethodError, match="takes no text"):
        model.tokens("a cat")
    with pytest.raises(MethodError, match="takes no text"):
        model.word_tokens("a cat", "cat")


def test_networks_that_are_not_of_plain_pictures_are_refused(model: Any) -> None:
    with pytest.raises(CheckpointError, match="RGB"):
        PixelModel("grey", make_pixel_unet(in_channels=1, out_channels=1), model.schedule.config, model.device)
    with pytest.raises(CheckpointError, match="class labels"):
        PixelModel("classes", make_pixel_unet(num_class_embeds=3), model.schedule.config, model.device)
    with pytest.raises(CheckpointError, match="beta_schedule"):
        PixelModel("odd", make_pixel_unet(), {"beta_schedule": "wavy"}, model.device)
