"""What acts besides a method: in maps, inversions and recipes, from the command line, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scumble.editing.editor import Editor
from scumble.editing.redo import redo
from scumble.errors import InputError, MethodError
from scumble.methods.asyrp.direction import Direction, DirectionInfo
from scumble.methods.extras.asyrp_shift import AsyrpShift
from scumble.methods.extras.attention_targets import AttendAndExcite, LayoutTarget
from scumble.methods.extras.extras import CustomEnergy
from scumble.methods.extras.image_targets import ClipTarget, ColorTarget
from scumble.methods.extras.parse import from_recipe, parse_also
from scumble.methods.guidance.diffuseit import DiffuseIT
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.img2img.text_to_image import TextToImage
from scumble.methods.inpainting.blended_diffusion import BlendedDiffusion
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
from scumble.models.clip import ClipScorer
from scumble.models.vision import VisionTower
from tests.methods.guidance.test_diffuseit import features
from tests.support.blended import pixel_job, random_clip, tiny_ddpm

STEPS: dict[str, Any] = {"num_inference_steps": 3}
PROMPT = "a photo of a cat"


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image.convert("RGB")).astype(int)


def test_nothing_and_weight_zero_change_no_bit(tiny_editor: Editor, picture: Image.Image) -> None:
    method = SDEdit(prompt=PROMPT, **STEPS)
    plain = tiny_editor.edit(picture, method, seed=2)
    off = tiny_editor.edit(
        picture, method, seed=2, also=[ColorTarget(color="red", weight=0), AttendAndExcite(words=("cat",), weight=0)]
    )
    assert np.array_equal(pixels(plain.image), pixels(off.image))
    assert off.cost.forward_rows == plain.cost.forward_rows


@pytest.mark.parametrize(
    "also",
    [
        ColorTarget(color="red", weight=1),
        LayoutTarget(put={"cat": (0.1, 0.1)}, weight=5),
        LayoutTarget(move={"cat": (0.3, 0.0)}, keep_look=("photo",), weight=5),
        AttendAndExcite(words=("photo", "cat"), absent=("photo",), apart=True, weight=20),
        CustomEnergy(fn=lambda seen: seen.clean.square().mean((1, 2, 3)), weight=50, place="x0"),
    ],
)
def test_maps_hold_whatever_acts_besides(tiny_editor: Editor, picture: Image.Image, also: Any) -> None:
    change = np.zeros((64, 64), np.float32)
    change[:, 40:] = 1
    method = DifferentialDiffusion(prompt=PROMPT, change_map=change, **STEPS)
    plain, guided = (tiny_editor.edit(picture, method, seed=2, also=extra) for extra in ((), (also,)))
    assert np.array_equal(pixels(guided.image)[:, :40], pixels(picture)[:, :40])
    assert not np.array_equal(pixels(guided.image), pixels(plain.image))


@pytest.mark.parametrize(
    "also",
    [
        LayoutTarget(move={"cat": (0.3, 0.0)}, resize={"cat": 1.5}, keep_look=("photo",), keep_shape=("photo",)),
        AttendAndExcite(words=("photo", "cat"), absent=("photo",), apart=True),
        ColorTarget(colour="red"),
    ],
    ids=["wish", "present", "paint"],
)
def test_a_candidate_is_what_it_is_alone_whatever_acts_besides(
    tiny_editor: Editor, picture: Image.Image, also: Any
) -> None:
    method = SDEdit(prompt=PROMPT, strength=1.0, **STEPS)
    batched = tiny_editor.edit(picture, method, seed=5, count=3, batch_size=2, also=[also])
    for k, one in enumerate(batched.images):
        alone = tiny_editor.edit(picture, method, seed=5 + k, also=[also])
        assert np.abs(pixels(one) - pixels(alone.image)).max() <= 2, k


def test_a_recipe_of_0_1_means_the_sharp_rule_for_what_acted_besides(tiny_editor: Editor, picture: Image.Image) -> None:
    result = tiny_editor.edit(picture, SDEdit(prompt=PROMPT, **STEPS), also=[LayoutTarget(put={"cat": (0.1, 0.1)})])
    (about,) = result.recipe.also
    assert about["near_zero"] == "smooth"
    silent = [{name: value for name, value in about.items() if name != "near_zero"}]
    for form, rule in ((1, "sharp"), (2, "smooth")):
        recipe = result.recipe.model_copy(update={"format": form, "also": silent})
        assert [from_recipe(one).near_zero for one in recipe.settled_also()] == [rule]


def test_energies_act_on_an_inversion_and_stay_out_of_what_a_map_keeps(
    tiny_editor: Editor, picture: Image.Image
) -> None:
    stored = tiny_editor.invert(picture, prompt="a cat", num_inference_steps=4, skip=0.0, seed=1, measured=False)
    keep = np.zeros((64, 64), np.float32)
    keep[:16] = 1
    method = DDPMInversion(prompt=PROMPT, change_map=keep)
    plain, wished = (
        tiny_editor.edit(picture, method, seed=1, inversion=stored, also=extra)
        for extra in ((), (LayoutTarget(move={"cat": (0.2, 0.0)}, source_prompt="a cat", weight=5),))
    )
    assert not np.array_equal(pixels(plain.image), pixels(wished.image))
    assert np.array_equal(pixels(wished.image)[16:], pixels(picture)[16:])


def test_several_energies_are_one_backward_a_step(tiny_editor: Editor) -> None:
    also = [
        ColorTarget(color="red", weight=0.5),
        AttendAndExcite(words=("cat",)),
        LayoutTarget(put={"cat": (0.1, 0.1)}),
    ]
    result = tiny_editor.generate(TextToImage(prompt=PROMPT, **STEPS), seed=1, also=also)
    assert result.cost.backward_rows == 3


def test_paint_paints(picture: Image.Image) -> None:
    editor, small = Editor(tiny_ddpm()), picture.resize((32, 32))
    red, blue = (
        editor.edit(small, SDEdit(num_inference_steps=6), seed=1, also=[ColorTarget(color=c)]).image
        for c in ("red", "blue")
    )
    apart = pixels(red).mean((0, 1)) - pixels(blue).mean((0, 1))
    assert apart[0] > 20
    assert apart[2] < -20


def test_a_shift_of_the_bottleneck_acts_in_other_methods(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path
) -> None:
    about = DirectionInfo(t_edit=300, steps=3)
    path = Direction(about, None, {-1: torch.full((1, 40, 1, 1), 2.0)}).save(tmp_path / "d.safetensors")
    method = SDEdit(prompt=PROMPT, strength=1.0, **STEPS)
    shift = AsyrpShift(directions=(str(path),))
    plain, shifted = (tiny_editor.edit(picture, method, seed=2, also=extra) for extra in ((), (shift,)))
    off = tiny_editor.edit(picture, method, seed=2, also=[AsyrpShift(directions=(str(path),), weight=0)])
    assert np.array_equal(pixels(plain.image), pixels(off.image))
    assert not np.array_equal(pixels(plain.image), pixels(shifted.image))
    both = tiny_editor.edit(picture, method, seed=2, also=[ColorTarget(color="red"), shift])
    assert not np.array_equal(pixels(both.image), pixels(shifted.image))
    with pytest.raises(MethodError, match="ddim"):
        tiny_editor.edit(picture, SDEdit(prompt=PROMPT, solver="dpmpp_2m", **STEPS), seed=2, also=[shift])


def test_recipes_hold_what_acted_and_it_is_done_again(
    tiny_editor: Editor, picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture.save(tmp_path / "in.png")
    also = [ColorTarget(color="red"), LayoutTarget(put={"cat": (0.1, 0.1)})]
    result = tiny_editor.edit(tmp_path / "in.png", SDEdit(prompt=PROMPT, **STEPS), seed=2, also=also)
    (path,) = result.save(tmp_path / "out.png")
    assert [told["kind"] for told in result.recipe.also] == ["paint", "wish"]
    assert [from_recipe(told) for told in result.recipe.also] == also
    monkeypatch.setattr(Editor, "from_pretrained", classmethod(lambda cls, *a, **k: tiny_editor))
    assert redo(path, editor=tiny_editor).largest == 0
    own = tiny_editor.generate(
        TextToImage(prompt=PROMPT, **STEPS), seed=1, also=[CustomEnergy(fn=lambda s: s.clean.mean((1, 2, 3)))]
    )
    with pytest.raises(InputError, match="no file can hold"):
        from_recipe(own.recipe.also[0])


def test_the_command_line_reads_names_and_fields() -> None:
    assert parse_also('paint {"colour": "red", "weight": 2}') == ColorTarget(color="red", weight=2)
    assert parse_also('wish {"move": {"red cube": [0.2, 0]}}') == LayoutTarget(move={"red cube": (0.2, 0.0)})
    assert isinstance(parse_also('say {"text": "a cat"}'), ClipTarget)
    for text, says in (
        ("pain {}", "did you mean"),
        ('paint {"color": 1}', "color"),
        ('present {"word": ["cat"]}', "no field 'word' .*words, absent, apart"),
        ("paint [", "as JSON"),
    ):
        with pytest.raises(InputError, match=says):
            parse_also(text)


def test_a_wish_about_the_picture_needs_one(tiny_editor: Editor) -> None:
    with pytest.raises(InputError, match="needs a picture"):
        tiny_editor.generate(TextToImage(prompt=PROMPT, **STEPS), seed=1, also=[LayoutTarget(move={"cat": (0.1, 0.0)})])


def test_a_mask_of_numbers_is_recorded_by_its_hash(tiny_editor: Editor, picture: Image.Image) -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[:20] = 1
    made = [
        tiny_editor.edit(picture, SDEdit(num_inference_steps=2), seed=1, also=[ColorTarget(color="red", mask=given)])
        for given in (mask, mask.copy(), 1 - mask)
    ]
    names = [one.recipe.also[0]["mask"] for one in made]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("mask-") and names[0].endswith(".png")


def test_a_colour_moves_cells_the_same_at_every_size(tiny_editor: Editor) -> None:
    small, large = (pixel_job(tiny_editor.model, size=size) for size in (32, 64))
    weights = [ColorTarget(color="red").guides(batch, "")[0].weight for batch in (small, large)]
    assert weights[1] == 4 * weights[0]


@pytest.mark.parametrize("solver", ["ddpm", "ddim"])
@pytest.mark.parametrize("name", ["blended", "diffuseit"])
def test_energies_act_beside_methods_that_guide_by_a_loss_of_their_own(
    name: str, solver: Any, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClipScorer, "load", lambda *_: random_clip())
    monkeypatch.setattr(VisionTower, "load", lambda *_: features)
    change = np.zeros((32, 32), np.float32)
    change[:16] = 1
    steps: dict[str, Any] = {"num_inference_steps": 6, "solver": solver, "change_map": change, "augmentations": 2}
    method: Any = BlendedDiffusion(prompt="x", **steps) if name == "blended" else DiffuseIT(prompt="x", **steps)
    up, down = (
        CustomEnergy(fn=lambda seen, to=to: (seen.clean - to).square().mean((1, 2, 3)), weight=500) for to in (1, -1)
    )
    editor, small = Editor(tiny_ddpm()), picture.resize((32, 32))
    plain, both, other = (editor.edit(small, method, seed=2, also=extra) for extra in ((), (up,), (down,)))
    assert np.array_equal(pixels(both.image)[16:], pixels(small)[16:])
    free = [pixels(one.image)[:16].astype(int) for one in (plain, both, other)]
    # on drawn weights the way is chaotic: that it acts can be told by the picture, where it leads by other tests alone
    assert all((abs(one - free[1]) > 1).mean() > 0.02 for one in (free[0], free[2]))
    assert both.cost.forward_rows == plain.cost.forward_rows
    assert both.cost.backward_rows > plain.cost.backward_rows


def test_an_energy_that_looks_at_what_there_is_not_is_told_what_there_is(tiny_editor: Editor) -> None:
    method = TextToImage(prompt=PROMPT, **STEPS)
    with pytest.raises(MethodError, match=r"looks at 'cleen' \(did you mean clean") as caught:
        tiny_editor.generate(method, seed=1, also=[CustomEnergy(fn=lambda seen: seen.cleen.mean())])
    assert "_" not in str(caught.value).partition("sees ")[2] and "\n" not in str(caught.value)
    with pytest.raises(AttributeError, match="no attribute 'shap'"):
        tiny_editor.generate(method, seed=1, also=[CustomEnergy(fn=lambda seen: seen.x.shap)])
