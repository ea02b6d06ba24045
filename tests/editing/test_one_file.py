"""One file brings everything back: the map inside the picture, and the edits that it went through."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

import scumble.editing.redo as replay
from scumble.cli import main
from scumble.editing.editor import Editor
from scumble.errors import InputError
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from scumble.records.map_inside import MAP_KEY, map_from_text, text_of_map
from scumble.records.metadata import read_metadata

RAMP = np.tile(np.linspace(0, 1, 64), (64, 1))
MAPS: dict[str, Any] = {
    "8 bits": Image.linear_gradient("L").resize((64, 64)),
    "16 bits": Image.fromarray((RAMP * 65535).astype(np.uint16)),
    "floats": RAMP**2,
    "of each": np.stack([RAMP, RAMP[:, ::-1]]),
}


@pytest.fixture
def again(tiny_editor: Editor) -> Any:
    return partial(replay.redo, editor=tiny_editor)


@pytest.mark.parametrize("name", sorted(MAPS))
@pytest.mark.parametrize("polarity", ["white-changes", "white-keeps"])
def test_a_map_inside_the_picture_makes_it_again(
    name: str, polarity: Any, tiny_editor: Editor, picture: Image.Image, tmp_path: Path, again: Any
) -> None:
    picture.save(tmp_path / "in.png")
    count = 2 if name == "of each" else 1
    method = DifferentialDiffusion(
        prompt="a house", change_map=MAPS[name], polarity=polarity, num_inference_steps=3, eta=1.0
    )
    files = tiny_editor.edit(tmp_path / "in.png", method, seed=3, count=count).save(tmp_path / "o.png", map_inside=True)
    for file in files:
        done = again(file)
        assert (done.largest, done.warnings) == (0, [])


def test_masks_that_a_method_turns_around_come_back_as_they_were(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path, again: Any
) -> None:
    picture.save(tmp_path / "in.png")
    method = BlendedLatentDiffusion(change_map=MAPS["8 bits"], invert_mask=True, num_inference_steps=3, prompt="a cat")
    (file,) = tiny_editor.edit(tmp_path / "in.png", method, seed=3).save(tmp_path / "out.webp", map_inside=True)
    assert again(file).largest == 0


@pytest.mark.parametrize("name", sorted(MAPS))
def test_a_map_as_text_is_the_map_to_the_last_bit(name: str) -> None:
    values = np.atleast_3d(np.asarray(MAPS[name], np.float64))
    values = values if name == "of each" else values.transpose(2, 0, 1)
    most = {"8 bits": 255, "16 bits": 65535}.get(name, 1)
    change = torch.from_numpy((values / most).astype(np.float32))[:, None]
    text = text_of_map(change)
    assert np.array_equal(np.stack(map_from_text(text, (64, 64), "the map")), change[:, 0].numpy())
    assert len(text) < 20_000


HEAD = json.dumps({"type": "u1", "shape": [1, 64, 64]})


def bomb() -> str:
    """A few kilobytes that unpack to a hundred megabytes."""
    import base64
    import zlib

    return f"{HEAD}\n{base64.b64encode(zlib.compress(bytes(100_000_000), 9)).decode()}"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]\nAAAA", f"{HEAD}\n", f"{HEAD}\n????", f"{HEAD}\nAAAA", HEAD.replace("64, 64", "1, 99999") + "\n",
     HEAD.replace("u1", "f8") + "\n", HEAD.replace("[1,", "[100000,") + "\n"],
)  # fmt: skip
def test_a_damaged_map_inside_a_picture_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        map_from_text(text, (64, 64), "the map")
    assert "\n" not in str(caught.value)


def test_a_map_that_unpacks_to_more_than_the_picture_is_refused_before_it_does() -> None:
    import tracemalloc

    text = bomb()
    tracemalloc.start()
    with pytest.raises(InputError, match="not as many values"):
        map_from_text(text, (64, 64), "the map")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_another_map_put_into_the_picture_is_refused(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path, again: Any
) -> None:
    picture.save(tmp_path / "in.png")
    method = DifferentialDiffusion(change_map=MAPS["8 bits"], num_inference_steps=2)
    (file,) = tiny_editor.edit(tmp_path / "in.png", method, seed=3).save(tmp_path / "out.png", map_inside=True)
    with Image.open(file) as made:
        texts = PngImagePlugin.PngInfo()
        texts.add_text("scumble", made.info["scumble"])
        texts.add_text(MAP_KEY, text_of_map(torch.ones(1, 1, 64, 64)))
        made.save(tmp_path / "forged.png", pnginfo=texts)
    with pytest.raises(InputError, match="is not the one that was used"):
        again(tmp_path / "forged.png")


def test_edits_of_edits_are_a_chain(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path, again: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    picture.save(tmp_path / "in.png")
    (first,) = tiny_editor.edit(
        tmp_path / "in.png", SDEdit(prompt="one", num_inference_steps=2), seed=1
    ).save(tmp_path / "first.png")  # fmt: skip
    (second,) = tiny_editor.edit(first, SDEdit(prompt="two", num_inference_steps=2), seed=2).save(tmp_path / "b.webp")
    (third,) = tiny_editor.edit(second, SDEdit(prompt="three", num_inference_steps=2), seed=3).save(tmp_path / "c.png")
    recipes = [read_metadata(one) for one in (first, second, third)]
    assert [bool(one["parent"]) for one in recipes] == [False, True, True]
    assert recipes[2]["parent"] == recipes[2]["input"]["sha256"]
    assert again(third).largest == 0
    first.rename(tmp_path / "renamed.png")
    main(["info", str(third), "--json"])
    chain = json.loads(capsys.readouterr().out)["chain"]
    assert [one["picture"] for one in chain] == ["c.png", "b.webp", "renamed.png", "in.png"]
    assert [one.get("prompt") for one in chain] == ["three", "two", "one", None]
    (tmp_path / "renamed.png").unlink()
    main(["info", str(third)])
    assert "chain.3.missing: True" in capsys.readouterr().out


def test_a_chain_that_bites_its_tail_ends(tiny_editor: Editor, picture: Image.Image, tmp_path: Path) -> None:
    from scumble.records.chain import chain_of
    from scumble.records.metadata import embed

    picture.save(tmp_path / "in.png")
    (out,) = tiny_editor.edit(tmp_path / "in.png", SDEdit(num_inference_steps=2), seed=1).save(tmp_path / "out.png")
    from scumble.images import load_image, save_image

    recipe = read_metadata(out)
    recipe["input"] = {"name": "out.png", "sha256": load_image(out).sha256}
    save_image(Image.open(out), out, embed(recipe))
    assert len(chain_of(out)) == 2


def test_the_flag_of_the_command_line_puts_the_map_in(
    picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    picture.save("in.png")
    MAPS["8 bits"].save("map.png")
    model = str(Path(__file__).parents[1] / "reference" / "tiny-sd")
    main(["edit", "in.png", "--map", "map.png", "--map-inside", "--steps", "2", "--model", model, "-o", "out.png"])
    Path("map.png").unlink()
    main(["redo", "out.png", "--model", model])
    assert "largest pixel difference: 0" in capsys.readouterr().out
