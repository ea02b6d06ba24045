"""A finished picture's recipe asks for the same again, with all that was put on the model and a map from words."""

from __future__ import annotations

from pathlib import Path

import pytest

from scumble.errors import InputError
from scumble.hashing import files_sha256
from scumble.images import load_image
from scumble.records.file_ref import file_refs
from scumble.records.list_lines import Line
from scumble.records.recipe import Recipe
from scumble.records.recipe_request import request_of_recipe
from scumble.records.request import MapFromWords
from scumble.records.wishes import Wishes
from tests.images.drawn import photograph


def line_of(folder: Path, **fields: object) -> Line:
    from PIL import Image

    Image.fromarray(photograph(32, 24)).save(folder / "in.png")
    recipe = Recipe(
        method="differential-diffusion", parameters={"prompt": "a cat"}, seed=1, size=(32, 24),
        model={"name": "tiny", "sha256": "ab" * 32},
        input={"name": "in.png", "sha256": load_image(folder / "in.png").sha256}, **fields,
    )  # fmt: skip
    return Line("list", 1, recipe.model_dump(mode="json"), str(folder))


def test_a_map_from_words_is_made_from_words_again(tmp_path: Path) -> None:
    line = line_of(tmp_path, change_map={"name": "words:cat", "sha256": "cd" * 32})
    request, at = request_of_recipe(line, Wishes())
    assert request.change_map == MapFromWords(words="words:cat") and set(at) == {"image"}


def test_what_was_put_on_the_model_is_put_on_it_again(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.safetensors" for name in ("lora", "vae", "words")}
    for name, path in files.items():
        path.write_bytes(name.encode())
    about = {name: {"name": path.name, "sha256": files_sha256([path])} for name, path in files.items()}
    settings = {"lora": [{**about["lora"], "weight": 0.5}], "vae": about["vae"], "textual_inversion": [about["words"]],
                "clip_skip": 1}  # fmt: skip
    request, at = request_of_recipe(line_of(tmp_path, model_settings=settings), Wishes())
    assert request.model.clip_skip == 1 and request.model.adapters[0].weight == 0.5
    places = {place: Path(at[place]).name for place, _ in file_refs(request)}
    assert places == {"image": "in.png", "model.adapters.0.file": "lora.safetensors",
                      "model.vae": "vae.safetensors", "model.embeddings.0": "words.safetensors"}  # fmt: skip
    files["vae"].write_bytes(b"another")
    with pytest.raises(InputError, match=r"vae\.safetensors"):
        request_of_recipe(line_of(tmp_path, model_settings=settings), Wishes())


def test_it_is_computed_again_in_what_made_it_unless_something_else_is_asked_for(tmp_path: Path) -> None:
    made = {"device": "cpu", "dtype": "float32", "runtime": "torch"}
    for environment, expected in (
        (made, (None, None)),
        ({**made, "dtype": "bfloat16"}, ("torch", "bfloat16")),
        ({**made, "runtime": "compile 2.13"}, ("compile", "float32")),
        ({**made, "runtime": "another 1"}, (None, None)),
    ):
        line = line_of(tmp_path, environment=environment)
        model = request_of_recipe(line, Wishes())[0].model
        assert (model.runtime, model.dtype) == expected
        asked = request_of_recipe(line, Wishes(flags={"runtime": "torch"}))[0].model
        assert (asked.runtime, asked.dtype) == ("torch", None)
