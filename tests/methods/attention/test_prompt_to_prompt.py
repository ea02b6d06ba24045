"""Prompt-to-Prompt as a method: on seeds, on pictures, with maps, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.core.noise import CounterNoise, GeneratorNoise
from scumble.editing.editor import Editor
from scumble.errors import InputError, MethodError
from scumble.methods.attention.prompt_to_prompt import PromptToPrompt
from scumble.methods.batch import X0, EditBatch
from scumble.methods.cache import Cache
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.models.base import Model

STEPS = 5
CAT, DOG = "a photo of a cat", "a photo of a dog"


def job_of(model: Model, seeds: tuple[int, ...] = (3,), x0: Tensor | None = None, **more: Any) -> EditBatch:
    """A job at 16 x 16 cells: without a picture, or with one whose latent is known."""
    side = 16 * model.factor
    image = None if x0 is None else torch.zeros(1, 3, side, side)
    cache = Cache({} if x0 is None else {X0: x0})
    return EditBatch(model, CounterNoise(seeds), len(seeds), (side, side), image=image, cache=cache, **more)


def method(**options: Any) -> PromptToPrompt:
    return PromptToPrompt(**{"prompt": DOG, "source_prompt": CAT, "num_inference_steps": STEPS, **options})


@pytest.fixture(scope="module")
def x0() -> Tensor:
    return 0.5 * torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(8))


def apart(a: Tensor | None, b: Tensor | None) -> float:
    assert a is not None and b is not None
    return float((a - b).abs().max())


def test_on_a_seed_closed_windows_are_plain_sampling(tiny_sd: Model) -> None:
    free = method(cross_replace=0.0, self_replace=0.0).run(job_of(tiny_sd))
    plain = TextToImage(prompt=DOG, num_inference_steps=STEPS).run(job_of(tiny_sd))
    assert torch.equal(free, plain)


def test_on_a_seed_the_same_words_give_the_source(tiny_sd: Model) -> None:
    same = method(prompt=CAT).run(job_of(tiny_sd))
    assert apart(same, TextToImage(prompt=CAT, num_inference_steps=STEPS).run(job_of(tiny_sd))) < 1e-4


def test_open_windows_change_the_edit_and_it_is_neither_source_nor_free(tiny_sd: Model) -> None:
    held = method().run(job_of(tiny_sd))
    for prompt in (CAT, DOG):
        assert apart(held, TextToImage(prompt=prompt, num_inference_steps=STEPS).run(job_of(tiny_sd))) > 0.05


def test_source_rows_are_dropped_when_all_windows_have_closed(tiny_sd: Model) -> None:
    batch = job_of(tiny_sd)
    method(cross_replace=0.6, self_replace=0.2).run(batch)
    assert batch.cost.forward_rows == 2 * STEPS + 2 * 3
    blended = job_of(tiny_sd)
    method(cross_replace=0.6, self_replace=0.2, blend_words=("cat", "dog")).run(blended)
    assert blended.cost.forward_rows == 4 * STEPS


def test_dropped_source_rows_change_nothing(tiny_sd: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = method(cross_replace=0.6, self_replace=0.2).run(job_of(tiny_sd))
    monkeypatch.setattr("scumble.methods.attention.attention_swap.AttentionSwap.until", property(lambda self: STEPS))
    assert apart(dropped, method(cross_replace=0.6, self_replace=0.2).run(job_of(tiny_sd))) < 1e-4


@pytest.mark.parametrize("trajectory", ["edit-friendly", "ddim"])
def test_on_a_picture_a_step_takes_three_rows_and_two_when_windows_have_closed(
    tiny_sd: Model, x0: Tensor, trajectory: Any
) -> None:
    batch = job_of(tiny_sd, x0=x0)
    method(trajectory=trajectory, skip=0.0, cross_replace=0.6, self_replace=0.2).run(batch)
    assert batch.cost.forward_rows == STEPS + 2 * STEPS + 3


def test_the_words_of_the_inversion_give_the_picture_back(tiny_sd: Model, x0: Tensor) -> None:
    same = method(prompt=CAT, guidance_scale=1.0).run(job_of(tiny_sd, x0=x0))
    assert apart(same, x0) < 1e-4


def test_seeds_of_a_batch_are_those_made_alone(tiny_sd: Model, x0: Tensor) -> None:
    for picture in (None, x0):
        both = method().run(job_of(tiny_sd, (3, 4), x0=picture))
        assert both is not None
        for k, seed in enumerate((3, 4)):
            assert apart(both[k : k + 1], method().run(job_of(tiny_sd, (seed,), x0=picture))) < 1e-3


def test_several_prompts_are_edited_in_one_batch_each_by_its_own_words(tiny_sd: Model, x0: Tensor) -> None:
    prompts = (DOG, "a drawing of a cat on a car")
    options = {"trajectory": "ddim", "word_weights": {"dog": 2.0}, "blend_words": ("cat", "dog")}
    both = method(prompt=prompts, **options).run(job_of(tiny_sd, (3, 3), x0=x0, samples=(0, 2)))
    assert both is not None
    first = method(prompt=DOG, **options).run(job_of(tiny_sd, x0=x0))
    second = method(prompt=prompts[1], trajectory="ddim", blend_words=("cat",)).run(job_of(tiny_sd, x0=x0))
    assert apart(both[:1], first) < 1e-3 and apart(both[1:], second) < 1e-3


def test_outside_the_blend_words_the_picture_stays_and_a_threshold_of_one_keeps_nearly_all(
    tiny_sd: Model, x0: Tensor
) -> None:
    batch = job_of(tiny_sd, x0=x0)
    options = {"blend_words": ("cat", "dog"), "blend_start": 0.0}
    made = method(**options, blend_threshold=0.999).run(batch)
    kept = (made == x0).all(1)
    assert 0.3 < float(kept.float().mean()) < 1.0


def test_pixels_that_the_map_keeps_are_byte_identical(tiny_editor: Editor, picture: Image.Image) -> None:
    change = torch.zeros(64, 64)
    change[:, 32:] = 1
    result = tiny_editor.edit(picture, method(change_map=change), seed=1)
    left = (0, 0, 32, 64)
    assert result.image.crop(left).tobytes() == picture.crop(left).tobytes()
    assert result.image.tobytes() != picture.tobytes()


def test_a_given_inversion_costs_only_the_steps(tiny_sd: Model, x0: Tensor) -> None:
    from scumble.inversion.settings import InversionSettings
    from scumble.methods.inversion_for import inversion_for

    maker = job_of(tiny_sd, x0=x0)
    inversion = inversion_for(maker, InversionSettings(num_inference_steps=STEPS, skip=0.2, prompt=CAT))
    batch = job_of(tiny_sd, inversion=inversion)
    given = PromptToPrompt(prompt=DOG).run(batch)
    assert batch.cost.forward_rows == 3 * 3 + 2  # four of five steps, the windows closed for the last
    assert apart(given, method(skip=0.2).run(job_of(tiny_sd, x0=x0))) < 1e-4


def test_published_run_on_an_edit_friendly_inversion_is_reproduced(tiny_sd: Model, reference: Any) -> None:
    case = reference("p2p_ddpm_inversion")
    told = case.settings
    source, target = told["prompts"]
    batch = job_of(tiny_sd, x0=case["x0"])
    batch.noise = GeneratorNoise(torch.Generator().manual_seed(case.info["seed"]))
    made = PromptToPrompt(
        prompt=target,
        source_prompt=source,
        num_inference_steps=told["num_inference_steps"],
        skip=told["skip"] / told["num_inference_steps"],
        source_guidance_scale=told["cfg"][0],
        guidance_scale=told["cfg"][1],
        eta=told["eta"],
        mode=told["controller"],
        cross_replace=told["cross_replace_steps"],
        self_replace=told["self_replace_steps"],
        compat="official",
    ).run(batch)
    assert apart(made, case["latents_final"][1:]) < case.info["tolerance"]["latents"]


def test_windows_are_shares_of_the_steps_that_are_run_by_default(tiny_sd: Model, x0: Tensor) -> None:
    """As published they are shares of all 5 steps, counted from the first of the 3 that are run."""
    ours, published = (job_of(tiny_sd, x0=x0) for _ in range(2))
    options = {"skip": 0.4, "cross_replace": 0.67, "self_replace": 0.0}
    method(**options).run(ours)
    method(**options, compat="official").run(published)
    assert ours.cost.forward_rows == 3 + 3 * 2 + 2
    assert published.cost.forward_rows == 3 + 3 * 3


def test_parameters_survive_a_recipe() -> None:
    made = method(cross_replace=(0.1, 0.7), word_windows={"dog": 0.2}, word_weights={"dog": 2}, blend_words=("dog",))
    assert PromptToPrompt.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("window", [1.2, -0.1, (0.6, 0.2)])
def test_windows_outside_the_run_are_refused(window: Any) -> None:
    with pytest.raises(InputError, match="a window is a share of the steps"):
        method(cross_replace=window)


REFUSED = [
    (
        {"mode": "replace", "prompt": "a photo of a big dog"},
        "'a photo of a cat' has 5 and 'a photo of a big dog' has 6",
    ),
    ({"word_weights": {"dgo": 2.0}}, "'dgo' is not in the new prompt: 'a photo of a dog'.*did you mean dog"),
    ({"word_windows": {"cat": 0.2}}, "'cat' is not in the new prompt"),
    ({"blend_words": ("bird",)}, "'bird' is not in the source prompt nor in the new prompt"),
    ({"keep_words": ("dog",)}, "name blend_words too"),
    ({"source_prompt": None}, "say that with --source-prompt"),
    ({"trajectory": "ddim"}, "trajectory ddim needs a picture"),
    ({"change_map": 0.5}, "generate first"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_be_done_is_said(tiny_sd: Model, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        method(**options).run(job_of(tiny_sd))


def test_a_seed_takes_no_picture_and_ddim_no_noise(tiny_sd: Model, x0: Tensor) -> None:
    with pytest.raises(InputError, match="takes no picture: use scumble generate"):
        method(trajectory="seed").run(job_of(tiny_sd, x0=x0))
    with pytest.raises(MethodError, match=r"got eta 0\.5: use edit-friendly"):
        method(trajectory="ddim", eta=0.5).run(job_of(tiny_sd, x0=x0))


def test_weights_alone_need_no_second_prompt(tiny_sd: Model) -> None:
    lemon = "a lemon cake on a table"
    batch = job_of(tiny_sd)
    strong = method(prompt=lemon, source_prompt=None, word_weights={"lemon": 4.0}).run(batch)
    assert apart(strong, TextToImage(prompt=lemon, num_inference_steps=STEPS).run(job_of(tiny_sd))) > 0.01


def test_the_editor_makes_it_from_nothing_and_from_a_picture(tiny_editor: Editor, picture: Image.Image) -> None:
    made = tiny_editor.generate(method(width=64, height=64), seed=2)
    assert made.image.size == (64, 64) and made.recipe.input is None
    edited = tiny_editor.edit(picture, method(), seed=2)
    assert edited.image.size == picture.size


def test_on_a_seed_source_and_edit_share_the_noise_of_ancestral_steps(tiny_sd: Model) -> None:
    same = method(prompt=CAT, eta=1.0).run(job_of(tiny_sd))
    assert apart(same, TextToImage(prompt=CAT, num_inference_steps=STEPS, eta=1.0).run(job_of(tiny_sd))) < 1e-4


def test_a_wrong_word_is_found_before_anything_is_computed(tiny_sd: Model, x0: Tensor) -> None:
    batch = job_of(tiny_sd, x0=x0)
    with pytest.raises(InputError, match="'dgo' is not in the new prompt"):
        method(word_weights={"dgo": 2.0}).check(batch)
    with pytest.raises(InputError, match="'dog' is not in the source prompt nor in the new prompt"):
        method(prompt="a photo of a car", blend_words=("dog",)).check(batch)
    assert batch.cost.forward_rows == 0


def test_a_word_behind_what_the_text_encoder_sees_is_said_to_be_there(tiny_sd: Model, x0: Tensor) -> None:
    long = "a photo of a big red cat on the sand " * 200 + "with a dog"
    with pytest.raises(InputError, match="'dog' lies beyond the end of what the text encoder sees"):
        method(prompt=long, word_weights={"dog": 2.0}).check(job_of(tiny_sd, x0=x0))


def test_a_word_far_behind_the_first_piece_of_a_long_prompt_can_be_weighted(tiny_sd: Model, x0: Tensor) -> None:
    long = "a photo of a big red cat on the sand " * 12 + "with a dog"
    method(prompt=long, word_weights={"dog": 2.0}).check(job_of(tiny_sd, x0=x0))
