"""An edit in a window, in several or in tiles changes nothing outside its map, and can be made again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from scumble.controls.change_map import ChangeMap
from scumble.core.conditioning import Conditioning
from scumble.core.prediction import Prediction
from scumble.core.schedule import Level
from scumble.editing.editor import Editor
from scumble.editing.redo import redo
from scumble.errors import InputError, MethodError
from scumble.inversion.inversion import Inversion
from scumble.inversion.settings import InversionSettings
from scumble.methods.attention.prompt_to_prompt import PromptToPrompt
from scumble.methods.base import ImageMethod
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.img2img.sdedit import SDEdit
from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion
from scumble.models.base import Model
from scumble.models.tiled import TiledModel, starts, weights
from scumble.records.view import View
from tests.images.drawn import photograph
from tests.images.profiles import display_p3

Pixels = npt.NDArray[np.uint8]


class Perfect:
    """A model of pictures that loses nothing and always comes back to the picture that it was given."""

    def __init__(self, model: Model, native: int = 32) -> None:
        self.model, self.native_size, self.factor, self.multiple, self.channels = model, native, 1, 4, 3
        self.takes_text, self.clip_sample, self.clean = False, None, cast("Tensor | None", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def encode(self, image: Tensor, sample_noise: Tensor | None = None) -> Tensor:
        self.clean = image
        return image

    def decode(self, x0: Tensor) -> Tensor:
        assert self.clean is not None  # schedules of Stable Diffusion end at a little noise
        return self.clean.expand(x0.shape[0], -1, -1, -1)

    def embed(self, prompts: Any, size: Any = None, pieces: Any = None, second: Any = None) -> Conditioning:
        return Conditioning()

    def words_cut(self, prompt: str) -> str:
        return ""

    def predict(self, x: Tensor, level: Level, cond: Conditioning, taps: Any = ()) -> Prediction:
        assert self.clean is not None
        x0 = self.clean.expand(x.shape[0], -1, -1, -1)
        return Prediction(x0, (x - level.a * x0) / max(level.s, 1e-8))


@pytest.fixture
def perfect(tiny_sd: Model) -> Editor:
    return Editor(cast("Model", Perfect(tiny_sd)))


def _map(shape: tuple[int, ...], *boxes: tuple[int, int, int, int], strength: float = 1.0) -> npt.NDArray[np.float32]:
    change = np.zeros(shape[:2], np.float32)
    for left, top, right, bottom in boxes:
        change[top:bottom, left:right] = strength
    return change


def _dd(change: Any, **more: Any) -> DifferentialDiffusion:
    return DifferentialDiffusion(change_map=change, num_inference_steps=2, guidance_scale=1.0, **more)


@pytest.mark.parametrize("window", ["region", "whole"])
@pytest.mark.parametrize("strength", [0.01, 0.3, 1.0])
def test_a_perfect_model_loses_nothing(perfect: Editor, window: str, strength: float) -> None:
    picture = photograph(101, 77)
    change = _map(picture.shape, (40, 30, 55, 48), strength=strength)
    result = perfect.edit(picture, _dd(change), seed=0, window=window)
    assert np.array_equal(np.asarray(result.image), picture)


def test_nothing_outside_the_map_changes_whatever_the_window(tiny_editor: Editor) -> None:
    random = np.random.default_rng(0)
    views: list[dict[str, Any]] = [
        {"window": "region"},
        {"window": "region", "context": 0.0, "match_border": True},
        {"window": "whole", "work_size": 128},
        {"detail": "model"},
        {"windows": 1},
        {"tiles": True},
        {"fade": 0.0},
    ]
    modes = ["RGB", "RGBA", "L", "LA", "P"]
    for case in range(14):
        width, height = (int(side) for side in random.integers(60, 300, 2))
        picture = Image.fromarray(photograph(width, height, case)).convert(modes[case % len(modes)])
        change = np.zeros((height, width), np.float32)
        for _ in range(int(random.integers(1, 3))):
            left, top = int(random.integers(0, width - 5)), int(random.integers(0, height - 5))
            right, bottom = left + int(random.integers(1, 20)), top + int(random.integers(1, 20))
            change[top:bottom, left:right] = random.choice([0.004, 0.3, 1.0])
        feather = [None, 0, 3][case % 3]
        result = tiny_editor.edit(picture, _dd(change, feather=feather), seed=case, **views[case % len(views)])
        before, after = picture.convert("RGBA"), result.image.convert("RGBA")
        kept = change == 0
        assert np.array_equal(np.asarray(after)[kept], np.asarray(before)[kept]), case
        assert after.getchannel("A").tobytes() == before.getchannel("A").tobytes()


def test_regions_far_apart_get_windows_each_and_are_made_again(tiny_editor: Editor, tmp_path: Path) -> None:
    picture = photograph(900, 660)
    Image.fromarray(picture).save(tmp_path / "in.png")
    change = _map(picture.shape, (10, 10, 50, 46), (800, 580, 840, 605))
    Image.fromarray((change * 255).astype(np.uint8)).save(tmp_path / "map.png")
    method = _dd(tmp_path / "map.png")
    result = tiny_editor.edit(tmp_path / "in.png", method, seed=3, count=2)
    assert len(result.recipe.windows) == 2 and any("2 windows" in notice for notice in result.notices)
    out = result.save(tmp_path / "out.png")
    for path in out:
        assert redo(path, editor=tiny_editor).largest == 0
    one = tiny_editor.edit(tmp_path / "in.png", _dd(change * _map(picture.shape, (0, 0, 200, 200))), seed=3)
    first = np.asarray(result.image)[:200, :200]
    assert np.abs(first.astype(int) - np.asarray(one.image)[:200, :200]).max() <= 1


def test_auto_takes_the_region_only_where_it_means_less_scaling(tiny_editor: Editor) -> None:
    picture = photograph(480, 320)
    small = tiny_editor.edit(picture, _dd(_map(picture.shape, (50, 50, 70, 70))), seed=0)
    assert small.recipe.windows[0].sigma == 1.0
    assert any("not scaled" in notice and "in the region" in notice for notice in small.notices)
    everything = tiny_editor.edit(picture, _dd(np.ones((320, 480), np.float32)), seed=0)
    assert everything.recipe.windows[0].box == (0, 0, 480, 320)
    assert any("worked on the whole picture" in notice for notice in everything.notices)


def test_a_region_smaller_than_a_cell_is_grown_for_the_model_alone(tiny_editor: Editor) -> None:
    picture = photograph(96, 96)
    change = _map(picture.shape, (41, 43, 42, 44))
    result = tiny_editor.edit(picture, _dd(change, feather=0), seed=0, window="region", detail="model")
    assert any("smaller than one cell" in notice for notice in result.notices)
    differs = (np.asarray(result.image) != picture).any(axis=2)
    assert not differs[change == 0].any()


def test_a_weak_edit_of_a_large_picture_stays_sharp(tiny_editor: Editor) -> None:
    picture = photograph(640, 480)
    change = np.full((480, 640), 0.02, np.float32)

    def error(detail: str) -> float:
        made = tiny_editor.edit(picture, _dd(change), seed=0, detail=detail, fade=0.0).image
        return float(((np.asarray(made, float) - picture) ** 2).mean())

    assert error("keep") < error("model") / 10


def test_colors_of_a_wide_profile_come_back_byte_for_byte(perfect: Editor, tmp_path: Path) -> None:
    picture = photograph(80, 60)
    Image.fromarray(picture).save(tmp_path / "p3.png", icc_profile=display_p3())
    change = _map(picture.shape, (20, 20, 50, 40), strength=0.6)
    result = perfect.edit(tmp_path / "p3.png", _dd(change), seed=0, window="region")
    assert np.array_equal(np.asarray(result.image), picture)
    assert result.image.info["icc_profile"] == display_p3()
    assert any('returned to "Display P3"' in notice for notice in result.notices)


def test_an_inversion_says_its_window_and_refuses_another(tiny_editor: Editor, tmp_path: Path) -> None:
    from scumble.methods.inversion_based.ddpm_inversion import DDPMInversion

    picture = photograph(400, 300)
    inversion = tiny_editor.invert(
        picture, change_map=(60, 50, 90, 80), num_inference_steps=3, skip=0.0, seed=1, view=None
    )
    assert inversion.window is not None and {"picture_psnr", "picture_max"} <= set(inversion.error)
    inversion.save(tmp_path / "a.inversion.safetensors")
    stored = tmp_path / "a.inversion.safetensors"
    left, top, right, bottom = inversion.window["box"]
    inside = _map(picture.shape, (62, 52, 80, 70))
    made = tiny_editor.edit(picture, DDPMInversion(prompt="a dog", change_map=inside), seed=0, inversion=stored)
    assert made.recipe.windows[0].box == (left, top, right, bottom)
    if (left, top, right, bottom) != (0, 0, 400, 300):
        beyond = _map(picture.shape, (0, 0, 400, 300))
        with pytest.raises(InputError, match="the map reaches beyond it"):
            tiny_editor.edit(picture, DDPMInversion(prompt="a dog", change_map=beyond), seed=0, inversion=stored)


def test_views_that_cannot_be_are_refused_in_one_line(tiny_editor: Editor) -> None:
    picture, change = photograph(64, 64), _map((64, 64), (10, 10, 30, 30))
    with pytest.raises(InputError, match="context = 9"):
        tiny_editor.edit(picture, _dd(change), context=9)
    with pytest.raises(InputError, match=r"the work size of .* must be from"):
        tiny_editor.edit(picture, _dd(change), work_size=1)
    with pytest.raises(InputError, match="a region needs a map"):
        tiny_editor.edit(picture, SDEdit(), window="region")
    with pytest.raises(InputError, match="did you mean window"):
        tiny_editor.edit(picture, _dd(change), windw="region")
    with pytest.raises(MethodError, match="tiles cannot be used with prompt-to-prompt"):
        tiny_editor.edit(picture, PromptToPrompt(prompt="a", change_map=change), tiles=True)


def test_candidates_are_put_together_when_they_are_asked_for(tiny_editor: Editor) -> None:
    picture = photograph(400, 300)
    result = tiny_editor.edit(picture, _dd(_map(picture.shape, (60, 50, 90, 80))), seed=0, count=3)
    assert len(result.images) == 3 and result.images[1:][0].tobytes() == result.images[1].tobytes()
    assert result.images[0].tobytes() != result.images[2].tobytes()


@dataclass
class Local:
    """A network that sees a 3 x 3 neighborhood: a tile's inside cannot know of the tile."""

    native_size: int = 16
    factor: int = 1

    def predict(self, x: Tensor, level: Level, cond: Conditioning, taps: Any = ()) -> Prediction:
        near = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return Prediction(near, x - near)


def test_tiles_blend_without_seams_and_one_tile_is_the_model_itself() -> None:
    tiled = TiledModel(cast("Model", Local()))
    level, cond = Level(t=0, a=0.7, s=0.7), Conditioning()
    small, large = torch.randn(2, 3, 16, 12), torch.full((1, 3, 50, 37), 0.3)
    assert torch.equal(tiled.predict(small, level, cond).x0, Local().predict(small, level, cond).x0)
    assert (tiled.predict(large, level, cond).x0 - 0.3).abs().max() < 1e-6
    assert tiled.rows > 0
    for length in (16, 17, 50, 99):
        shares = weights(length, 16, 4)
        assert torch.allclose(shares.sum(0), torch.ones(length, dtype=torch.float64))
        begins = starts(length, 16, 4)
        assert begins[0] == 0 and begins[-1] + min(16, length) == length
    with pytest.raises(MethodError, match="cannot work in tiles"):
        tiled.predict(large, level, cond, taps=[object()])


@pytest.mark.parametrize("change", ["ramp", "half"])
@pytest.mark.parametrize("method", ["differential-diffusion", "sdedit", "ddpm-inversion", "dpmpp_2m"])
def test_tiles_in_which_nothing_is_free_are_left_out_and_the_picture_is_the_same(
    tiny_editor: Editor, monkeypatch: pytest.MonkeyPatch, change: str, method: str
) -> None:
    picture = photograph(330, 170)
    values = np.tile(np.linspace(0, 1, 330, dtype=np.float32), (170, 1))
    values = values if change == "ramp" else (values > 0.7).astype(np.float32)
    settings: dict[str, Any] = {"change_map": values, "num_inference_steps": 5}
    chosen: ImageMethod
    if method == "sdedit":
        chosen = SDEdit(prompt="a", strength=0.8, **settings)
    elif method == "ddpm-inversion":
        chosen = DDPMInversion(prompt="a", **settings)
    else:
        solver = {"solver": method} if method == "dpmpp_2m" else {}
        chosen = DifferentialDiffusion(prompt="a", **settings, **solver)
    one = tiny_editor.edit(picture, chosen, seed=3, tiles=True, window="whole")
    planned = tiny_editor.plan(picture, chosen, seed=3, view=View(tiles=True, window="whole")).most
    assert planned.forward_rows == one.cost.forward_rows
    monkeypatch.setattr(ChangeMap, "discards", lambda self, ctx: None)
    all_tiles = tiny_editor.edit(picture, chosen, seed=3, tiles=True, window="whole")
    off = np.abs(np.asarray(one.image, int) - np.asarray(all_tiles.image, int))
    assert off.max() <= 1 and (off > 0).mean() < 0.001  # other rows beside a tile may move its last bit
    assert not off[values == 0].any()
    assert one.cost.forward_rows < all_tiles.cost.forward_rows


def test_an_inversion_in_tiles_gives_the_picture_back_and_edits_in_tiles(tiny_editor: Editor, tmp_path: Path) -> None:
    picture = photograph(330, 170)
    Image.fromarray(picture).save(tmp_path / "in.png")
    settings = InversionSettings(num_inference_steps=3, skip=0, prompt="a")
    inversion = tiny_editor.invert(tmp_path / "in.png", settings, seed=1, view=View(tiles=True))
    assert inversion.size[0] >= 330 and "tiles of 128x128" in inversion.report["tiles"]
    assert inversion.error["latent_max"] < 1e-5, "the path does not lead back in tiles"
    inversion.save(tmp_path / "in.inversion.safetensors")
    stored = Inversion.load(tmp_path / "in.inversion.safetensors")
    method = DDPMInversion(prompt="b", change_map=_map((170, 330), (200, 40, 330, 150)))
    result = tiny_editor.edit(None, method, seed=1, inversion=stored)
    assert any("tiles of 128x128" in notice for notice in result.notices)
    assert result.recipe.view is not None and result.recipe.view.tiles
    assert np.array_equal(np.asarray(result.image)[:, :200], picture[:, :200])
    with pytest.raises(MethodError, match="tiles cannot be used with prompt-to-prompt"):
        tiny_editor.edit(None, PromptToPrompt(prompt="b"), inversion=stored)
    plain = tiny_editor.invert(picture, settings, seed=1)
    with pytest.raises(InputError, match="invert again with --tiles"):
        tiny_editor.edit(picture, DDPMInversion(prompt="b"), inversion=plain, tiles=True)


def test_a_tiled_edit_says_its_tiles_and_is_made_again(tiny_editor: Editor, tmp_path: Path) -> None:
    Image.fromarray(photograph(330, 170)).save(tmp_path / "in.png")
    change = np.full((170, 330), 255, np.uint8)
    change[:, :200] = 0
    Image.fromarray(change).save(tmp_path / "map.png")
    method = _dd(tmp_path / "map.png")
    result = tiny_editor.edit(tmp_path / "in.png", method, seed=3, tiles=True, window="whole")
    assert any(notice.endswith("tiles of 128x128, overlap 64") for notice in result.notices)
    (path,) = result.save(tmp_path / "out.png")
    assert redo(path, editor=tiny_editor).largest == 0


def test_it_is_told_where_detail_was_brought_back(tiny_editor: Editor) -> None:
    picture = photograph(400, 300)
    change = _map(picture.shape, (0, 0, 400, 300), strength=0.5)
    words = "fine detail was kept where the edit follows the picture"
    for detail in ("keep", "model"):
        notices = tiny_editor.edit(picture, _dd(change), seed=0, window="whole", detail=detail).notices
        assert any(notice.startswith(words) for notice in notices) == (detail == "keep")
