"""pix2pix-zero: parity with the published edit pass, what must hold exactly, and clear refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.controls.start import StartAt
from scumble.core.conditioning import Conditioning
from scumble.core.control import RunState, StepResult
from scumble.core.cost import Cost
from scumble.core.guidance import Guidance
from scumble.core.loop import denoise
from scumble.core.noise import CounterNoise
from scumble.core.solvers import Ddim
from scumble.editing.editor import Editor
from scumble.errors import CheckpointError, InputError
from scumble.methods.attention.attention_match import AttentionMatch
from scumble.methods.attention.attention_reference import StoredReference, WalkingReference
from scumble.methods.attention.direction_file import load_direction, save_direction
from scumble.methods.attention.edit_direction import mean_embedding, moved
from scumble.methods.attention.pix2pix_zero import Pix2PixZero
from scumble.methods.attention.sentences import sentences_about
from scumble.methods.batch import EditBatch
from scumble.methods.official.twin_match import TwinMatch
from scumble.methods.registry import method_class
from scumble.models.base import Model
from scumble.models.sites import sites


def context(model: Model, steps: int, shape: tuple[int, ...] = (1, 4, 8, 8)) -> RunState:
    levels = model.schedule.levels(steps)
    return RunState(model, levels, Ddim(), CounterNoise(range(shape[0])), shape, torch.device("cpu"), Cost())


def cross(model: Model) -> list[str]:
    return [site.path for site in sites(model.denoiser, "cross_attention")]


def start(seed: int = 2) -> Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["p2pzero_edit", "p2pzero_edit_neg"])
def test_the_published_edit_pass_is_reproduced(reference: Any, tiny_sd: Model, name: str) -> None:
    case = reference(name)
    settings, network = case.settings, tiny_sd.text.encoders[0].network  # type: ignore[attr-defined]
    with torch.no_grad():
        caption = Conditioning(network(case["ids"][:1])[0])
    negative = tiny_sd.embed([""]) if settings["negative_prompt"] == "" else caption
    assert caption.embeds is not None
    edited = Conditioning(caption.embeds + case["edit_dir"])
    x, n = case["x_inv"], settings["num_inference_steps"]
    ctx, w = context(tiny_sd, n, tuple(x.shape)), settings["guidance_scale"]
    walking = WalkingReference(Guidance(caption, negative, w), x)
    gradients: list[Tensor] = []
    xs: list[Tensor] = []
    samples: list[Tensor] = []

    class Watched(TwinMatch):
        def before(self, ctx: RunState, x: Tensor) -> Tensor:
            made = super().before(ctx, x)
            assert self.gradient is not None
            gradients.append(self.gradient)
            samples.append(made)
            return made

    match = Watched(cross(tiny_sd), walking, edited, settings["guidance_amount"], uncond=negative)

    def collect(ctx: RunState, result: StepResult) -> None:
        xs.append(result.x)

    with torch.no_grad():
        denoise(ctx, [StartAt(x, 0), Guidance(edited, negative, w), match], collect)
    for k in range(2):
        wanted = case[f"X_grad_{k}"]
        assert float((gradients[k] - wanted).abs().max()) <= 1e-3 * float(wanted.abs().max())
    # our loss of a row is its half: together they are the published mean over both rows
    torch.testing.assert_close(torch.tensor(match.losses), case["xa_loss"], rtol=2e-3, atol=2e-3)
    for k, at in enumerate((0, 1, n - 1)):
        torch.testing.assert_close(walking.xs[at], case["ref_latents"][k : k + 1], rtol=0, atol=2e-3)
        torch.testing.assert_close(samples[at], case["edit_sample"][k : k + 1], rtol=0, atol=2e-3)
        torch.testing.assert_close(xs[at], case["edit_latents"][k : k + 1], rtol=0, atol=2e-3)


def edit(model: Model, rate: float, words: str = "a photo of a dog", twin: bool = False) -> tuple[Tensor, RunState]:
    ctx, caption, edited = context(model, 4), model.embed(["a photo of a cat"]), model.embed([words])
    walking, paths = WalkingReference(Guidance(caption, caption, 5.0), start()), cross(model)
    match = (
        TwinMatch(paths, walking, edited, rate, uncond=caption)
        if twin
        else AttentionMatch(paths, walking, edited, rate)
    )
    with torch.no_grad():
        return denoise(ctx, [StartAt(start(), 0), Guidance(edited, caption, 5.0), match]), ctx


@pytest.mark.parametrize("twin", [False, True])
def test_without_a_direction_the_edit_is_the_reference(tiny_sd: Model, twin: bool) -> None:
    caption = tiny_sd.embed(["a photo of a cat"])
    plain = denoise(context(tiny_sd, 4), [StartAt(start(), 0), Guidance(caption, caption, 5.0)])
    made, _ = edit(tiny_sd, 0.1, "a photo of a cat", twin)
    torch.testing.assert_close(made, plain.detach(), rtol=0, atol=1e-5)


def test_without_attention_guidance_it_is_plain_sampling_and_costs_as_much(tiny_sd: Model) -> None:
    caption, edited = tiny_sd.embed(["a photo of a cat"]), tiny_sd.embed(["a photo of a dog"])
    ctx = context(tiny_sd, 4)
    with torch.no_grad():
        plain = denoise(ctx, [StartAt(start(), 0), Guidance(edited, caption, 5.0)])
    made, cost = edit(tiny_sd, 0.0)
    assert torch.equal(made, plain)
    assert cost.cost == ctx.cost


def test_a_step_takes_one_reference_row_one_gradient_row_and_two_of_guidance(tiny_sd: Model) -> None:
    _, ours = edit(tiny_sd, 0.1)
    _, twin = edit(tiny_sd, 0.1, twin=True)
    assert (ours.cost.forward_rows, ours.cost.backward_rows) == (4 * 4, 4)
    assert (twin.cost.forward_rows, twin.cost.backward_rows) == (4 * 5, 8)


def test_the_loss_falls_along_the_gradient(tiny_sd: Model) -> None:
    caption, edited, ctx = tiny_sd.embed(["a photo of a cat"]), tiny_sd.embed(["a red dog"]), context(tiny_sd, 4)
    match = AttentionMatch(cross(tiny_sd), StoredReference(caption, lambda ctx, i: start()), edited)
    with torch.no_grad():
        wanted = match.reference(ctx, match.paths)[-1]
        gradient, before = match.slope(ctx, start(), edited, wanted)
        _, after = match.slope(ctx, start() - 1e-2 * gradient, edited, wanted)
    assert before > after > 0


def test_the_published_trajectory_follows_the_unguided_copy_and_ours_the_edited_one(tiny_sd: Model) -> None:
    """The published code drops the copy that was moved for the edited words; with a large rate that is visible."""
    ours, theirs = edit(tiny_sd, 0.5)[0], edit(tiny_sd, 0.5, twin=True)[0]
    assert float((ours - theirs).abs().max()) > 1e-2


def test_directions_are_means_of_sentences(tiny_sd: Model, tmp_path: Path) -> None:
    sentences = ["a cat", "a red cat", "a cat on sand"]
    one, other = mean_embedding(tiny_sd, sentences), mean_embedding(tiny_sd, sentences[::-1], batch=2)
    assert one.embeds is not None and other.embeds is not None
    torch.testing.assert_close(one.embeds, other.embeds)
    still = moved(tiny_sd.embed(["a cat"]), one, one)
    assert torch.equal(still.embeds, tiny_sd.embed(["a cat"]).embeds)  # type: ignore[arg-type]
    target = mean_embedding(tiny_sd, ["a dog"])
    zero, step = load_direction(save_direction(tmp_path / "cat2dog.safetensors", one, target))
    here = tiny_sd.embed(["a cat on sand"])
    torch.testing.assert_close(moved(here, zero, step).embeds, moved(here, one, target).embeds)
    with pytest.raises(CheckpointError, match="no edit direction"):
        load_direction(tmp_path / "none.safetensors")


def test_sentences_are_made_of_the_scene_where_the_word_is_in_it() -> None:
    assert sentences_about("sphere", "a red cube on sand", "cube") == ["a red sphere on sand"]
    assert all("sphere" in sentence for sentence in sentences_about("sphere"))


def test_only_whole_words_of_the_scene_are_replaced() -> None:
    assert sentences_about("blue", "a tired man in a red coat", "red") == ["a tired man in a blue coat"]
    assert len(sentences_about("blue", "a tired man", "red")) > 1


def test_a_word_that_is_not_in_the_caption_is_told(tiny_editor: Editor, picture: Image.Image) -> None:
    told = [
        tiny_editor.edit(
            picture,
            Pix2PixZero(
                source_prompt="a photo of a cat", source_word=word, target_word="dog", num_inference_steps=2, rounds=0
            ),
            seed=1,
        ).notices
        for word in ("cat", "horse")
    ]
    assert not any("general sentences" in notice for notice in told[0])
    assert any("'horse' is not in the source prompt" in notice for notice in told[1])


@pytest.mark.parametrize("compat", [None, "official"])
def test_it_edits_pictures(tiny_editor: Editor, picture: Image.Image, compat: Any) -> None:
    method = Pix2PixZero(
        source_prompt="a photo of a cat", source_word="cat", target_word="dog", num_inference_steps=4, compat=compat
    )
    result = tiny_editor.edit(picture, method, seed=1)
    assert result.image.size == picture.size
    assert result.cost.backward_rows == (8 if compat else 4)


def test_a_map_over_everything_returns_the_picture_in_the_models_space(tiny_sd: Model) -> None:
    g = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 64, 64, generator=g) * 2 - 1
    batch = EditBatch(tiny_sd, CounterNoise([1]), 1, (64, 64), image=image, change=torch.zeros(1, 1, 64, 64))
    made = Pix2PixZero(source_prompt="a cat", prompt="a dog", num_inference_steps=3).run(batch)
    assert made is not None
    assert torch.equal(made, batch.x0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prompt": "a dog"}, "what the picture shows"),
        ({"source_prompt": "a cat"}, "no edit was given"),
        ({"source_prompt": "a cat", "source_word": "cat"}, "--source-word and --target-word belong together"),
        ({"source_prompt": "a cat", "target_sentences": "x.txt"}, "--source-sentences and --target-sentences belong"),
    ],
)
def test_what_is_missing_is_named(tiny_editor: Editor, given: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        tiny_editor.generate(Pix2PixZero(**given), seed=1)


def test_the_layout_is_held_as_firmly_whatever_the_pictures_size(tiny_sd: Model) -> None:
    """The loss is a sum over queries, but a cell of the latent moves only those near it: not more in larger ones."""
    small, large = (EditBatch(tiny_sd, CounterNoise([1]), 1, (side, side)) for side in (512, 1024))
    method = Pix2PixZero(source_prompt="a cat", prompt="a dog")
    assert method.rate(small) == pytest.approx(0.1)  # tiny_sd has the places of Stable Diffusion
    assert method.rate(large) == pytest.approx(method.rate(small))
    assert Pix2PixZero(source_prompt="a", prompt="b", cross_attention=0.3).rate(large) == 0.3


def test_small_models_are_guided_gently_away_from_a_pictures_own_words(
    tiny_editor: Editor, picture: Image.Image
) -> None:
    words: Any = {"source_prompt": "a photo of a cat", "prompt": "a photo of a dog", "num_inference_steps": 4}
    usual, gentle, published = (
        tiny_editor.edit(picture, Pix2PixZero(**words, **more), seed=1).image
        for more in ({}, {"guidance_scale": 1.5}, {"guidance_scale": 5.0})
    )
    assert usual.tobytes() == gentle.tobytes() != published.tobytes()
    made = [
        tiny_editor.generate(Pix2PixZero(**words, **more), seed=1).image
        for more in ({}, {"guidance_scale": 5.0})  # from a seed the guidance is away from no words
    ]
    assert made[0].tobytes() == made[1].tobytes()


def test_it_is_registered() -> None:
    assert method_class("pix2pix-zero") is Pix2PixZero
