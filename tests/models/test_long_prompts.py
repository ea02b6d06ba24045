"""Prompts longer than a text encoder reads are joined from pieces, and words keep their places."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image

import scumble
from scumble.core.conditioning import Conditioning
from scumble.errors import InputError
from scumble.models.loading import from_pipe
from scumble.models.prompt_weights import weighted_parts
from tests.support.parity import by_us, close, editor_of, start_noise
from tests.support.tiny import LENGTH

ROOM = LENGTH - 2
LONG = "a red cube on sand a big cat on sand a cube a big red cat on a cube"


@pytest.fixture(scope="module")
def sd(sd_pipe: Any) -> Any:
    return from_pipe(sd_pipe)


def pieces_by_hand(tokenizer: Any, prompt: str) -> list[torch.Tensor]:
    ids = tokenizer(prompt, add_special_tokens=False, truncation=False).input_ids
    pieces = []
    for k in range(0, len(ids), ROOM):
        piece = [tokenizer.bos_token_id, *ids[k : k + ROOM], tokenizer.eos_token_id]
        pieces.append(torch.tensor([piece + [tokenizer.pad_token_id] * (LENGTH - len(piece))]))
    return pieces


def test_a_long_prompt_is_its_pieces_joined(sd: Any, sd_pipe: Any) -> None:
    pieces = pieces_by_hand(sd_pipe.tokenizer, LONG)
    assert len(pieces) == 2
    with torch.no_grad():
        wanted = torch.cat([sd_pipe.text_encoder(one)[0] for one in pieces], dim=1)
    assert torch.allclose(sd.embed([LONG]).text, wanted, atol=1e-6)
    assert sd.words_cut(LONG) == ""


def test_sdxl_joins_the_states_of_both_encoders_and_pools_the_first_piece(sdxl_pipe: Any) -> None:
    model: Any = from_pipe(sdxl_pipe)
    pieces = pieces_by_hand(sdxl_pipe.tokenizer, LONG)
    with torch.no_grad():
        one = [sdxl_pipe.text_encoder(p, output_hidden_states=True).hidden_states[-2] for p in pieces]
        two = [sdxl_pipe.text_encoder_2(p, output_hidden_states=True) for p in pieces]
    wanted = torch.cat([torch.cat(one, 1), torch.cat([t.hidden_states[-2] for t in two], 1)], dim=-1)
    cond = model.embed([LONG])
    assert torch.allclose(cond.text, wanted, atol=1e-6)
    assert torch.allclose(cond.pooled, two[0][0], atol=1e-6)


def test_an_image_of_a_long_prompt_is_that_of_diffusers_given_the_joined_embeddings(sd_pipe: Any) -> None:
    editor = editor_of(sd_pipe)
    method = scumble.TextToImage(prompt=LONG, negative_prompt="fog", num_inference_steps=3, width=16, height=16)
    ours, _ = by_us(editor, method)
    empty, fog = pieces_by_hand(sd_pipe.tokenizer, "a")[0], pieces_by_hand(sd_pipe.tokenizer, "fog")[0]
    empty = torch.full_like(empty, sd_pipe.tokenizer.eos_token_id)
    empty[0, 0], empty[0, 2:] = sd_pipe.tokenizer.bos_token_id, sd_pipe.tokenizer.pad_token_id
    with torch.no_grad():
        embeds = torch.cat([sd_pipe.text_encoder(p)[0] for p in pieces_by_hand(sd_pipe.tokenizer, LONG)], dim=1)
        negative = torch.cat([sd_pipe.text_encoder(p)[0] for p in (fog, empty)], dim=1)
    sd_pipe.set_progress_bar_config(disable=True)
    theirs = sd_pipe(prompt_embeds=embeds, negative_prompt_embeds=negative, num_inference_steps=3, guidance_scale=5.0,
                     latents=start_noise((1, 4, 8, 8), 1), output_type="latent").images  # fmt: skip
    assert close(ours, theirs)


def test_words_stand_in_the_columns_that_the_network_sees(sd: Any) -> None:
    tokens = sd.tokens(LONG)
    ids = {word: sd.text.encoders[0].read(word)[0][0] for word in ("cat", "sand", "cube")}
    for word, one in ids.items():
        assert sd.word_tokens(LONG, word) == [k for k, token in enumerate(tokens) if token == one]
    assert max(sd.word_tokens(LONG, "cube")) > LENGTH
    assert len(tokens) == len(sd.text.encoders[0].read(LONG)[0]) + 4


def test_a_word_across_the_border_of_pieces_is_found(sd: Any) -> None:
    prompt = "a " * (ROOM - 1) + "bird on sand"
    assert sd.word_tokens(prompt, "bird")[0] == ROOM
    assert sd.word_tokens(prompt, "bird")[1:] == [LENGTH + 1, LENGTH + 2]


@pytest.mark.parametrize("longer", ["target", "source"])
def test_prompt_to_prompt_exchanges_words_beyond_the_first_piece(sd_pipe: Any, longer: str) -> None:
    source, target = LONG, LONG[: -len("cube")] + "cat"
    if longer == "target":
        source = "a red cube"
    editor = editor_of(sd_pipe)
    method = scumble.PromptToPrompt(prompt=target, source_prompt=source, num_inference_steps=3, skip=0.0)
    image = Image.new("RGB", (16, 16), (90, 20, 140))
    result = editor.edit(image, method, seed=1)
    same = method.model_copy(update={"prompt": source})
    assert result.image.tobytes() != editor.edit(image, same, seed=1).image.tobytes()


def test_recipes_of_0_1_read_what_fits_into_the_encoder(sd: Any, sd_pipe: Any) -> None:
    cut = sd.with_prompts_cut()
    with torch.no_grad():
        wanted = sd_pipe.encode_prompt(LONG, "cpu", 1, False)[0]
    assert torch.allclose(cut.embed([LONG]).text, wanted, atol=1e-6)
    assert cut.words_cut(LONG) == "red cat on a cube"
    assert len(cut.tokens(LONG)) == LENGTH
    assert sd.text.most > 1


def test_weights_are_read_only_where_they_are_asked_for(sd_pipe: Any) -> None:
    plain, weighted = from_pipe(sd_pipe), from_pipe(sd_pipe)
    weighted.text.weighted = True  # type: ignore[attr-defined]
    prompt = "a (red:1.3) cube"
    assert plain.tokens(prompt) != plain.tokens("a red cube")
    assert weighted.tokens(prompt) == plain.tokens("a red cube")
    with torch.no_grad():
        states, empty = plain.embed(["a red cube"]).text, plain.embed([""]).text
    wanted = states.clone()
    wanted[:, 2] = empty[:, 2] + 1.3 * (states[:, 2] - empty[:, 2])
    assert torch.allclose(weighted.embed([prompt]).text, wanted, atol=1e-6)
    assert torch.equal(weighted.embed(["a (red:1.0) cube"]).text, states)
    assert weighted.word_tokens(prompt, "cube") == [3]


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a (red:1.3) cube", [("a ", 1.0), ("red", 1.3), (" cube", 1.0)]),
        (r"a \(red:1.3\) cube", [("a (red:1.3) cube", 1.0)]),
        ("a (red) cube", [("a (red) cube", 1.0)]),
        ("(a: b:0.5)(c:.2)", [("a: b", 0.5), ("c", 0.2)]),
        ("", []),
    ],
)
def test_only_parentheses_with_a_weight_are_no_letters(prompt: str, parts: list[Any]) -> None:
    assert weighted_parts(prompt) == parts


def test_a_weight_out_of_range_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="0 to 10"):
        weighted_parts("a (red:-1) cube")


def test_a_row_that_stands_beside_a_longer_one_gets_empty_pieces(sd: Any) -> None:
    both = sd.embed([LONG, "a cat"])
    alone = sd.embed(["a cat"])
    assert isinstance(both, Conditioning)
    assert both.text.shape[1] == 2 * LENGTH
    assert torch.equal(both.text[1:, :LENGTH], alone.text)
    assert torch.equal(both.text[1:, LENGTH:], sd.embed([""]).text)
