"""The index is lost: a rescan finds every result, its recipe, its map and its parent, and says what is gone."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.cli.studio import BORROWED
from scumble.editing.editor import Editor
from scumble.methods.img2img.differential_diffusion import DifferentialDiffusion
from scumble.methods.inpainting.blended_latent_diffusion import BlendedLatentDiffusion
from scumble.methods.method import Method
from scumble.records.metadata import read_metadata
from scumble.studio.app import Studio
from scumble.studio.desk import Desk
from scumble.studio.events import Events
from scumble.studio.forms import Forms
from scumble.studio.inversions import Inversions
from scumble.studio.maps import Maps
from scumble.studio.pictures import Pictures
from scumble.studio.rescan import rescan
from scumble.studio.store import Store
from scumble.studio.texts import Texts


class Here:
    """The desk in this process."""

    def __init__(self) -> None:
        self.desk = Desk(BORROWED["scenes"])

    def ask(self, what: str, **data: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(self.desk.ask(what, data))
        except Exception as error:
            done.set_exception(error)
        return done


def opened(folder: Path) -> Studio:
    """A studio's memory of a folder, without its processes."""
    hidden = folder / ".scumble"
    hidden.mkdir(parents=True, exist_ok=True)
    jobs: Any = None
    engine: Any = Here()
    forms = Forms(BORROWED["flags"])
    studio = Studio(folder, Events(), Store(hidden / "ledger.sqlite"), Pictures(hidden), Maps(hidden),
                    Inversions(hidden), Texts(hidden), jobs, engine, forms)  # fmt: skip
    studio.methods = forms.methods()
    return studio


@pytest.fixture
def folder(tmp_path: Path, tiny_editor: Editor, picture: Image.Image) -> Path:
    """photo -> photo-001-1, photo-001-2; photo-001-2 was kept; from it photo-002 by a method that takes a mask."""
    folder = tmp_path / "scumble"
    studio = opened(folder)
    picture.save(tmp_path / "photo.png")
    source, _ = studio.pictures.add((tmp_path / "photo.png").read_bytes(), "photo.png")
    change = np.zeros((64, 64), np.uint8)
    change[20:, 30:] = 140

    def made(output: str, source: str, method: type[Method], seed: int, strengths: np.ndarray[Any, Any]) -> Path:
        near = studio.maps.path(studio.maps.add(strengths))
        settings = method(prompt="a house", change_map=near, num_inference_steps=2)  # type: ignore[call-arg]
        return tiny_editor.edit(studio.pictures.there(source), settings, seed=seed).save(folder / output)[0]

    made("photo-001-1.png", source, DifferentialDiffusion, 7, change)
    kept = made("photo-001-2.png", source, DifferentialDiffusion, 8, change)
    parent, _ = studio.pictures.add(kept.read_bytes(), kept.name)
    made("photo-002.png", parent, BlendedLatentDiffusion, 9, np.roll(change, 9, 1))
    Image.new("RGB", (9, 9)).save(folder / "no-result.png")
    studio.store.close()
    (folder / ".scumble" / "ledger.sqlite").unlink()
    return folder


def test_every_result_comes_back_with_its_recipe_its_map_and_its_parent(folder: Path) -> None:
    studio = opened(folder)
    assert rescan(studio) == (3, 0)
    results = {one["file"]: one for one in studio.store.results()}
    assert sorted(results) == ["photo-001-1.png", "photo-001-2.png", "photo-002.png"]
    for file, one in results.items():
        recipe = read_metadata(folder / file)
        assert (one["method"], one["seed"], one["prompt"]) == (recipe["method"], recipe["seed"], "a house")
        source = studio.store.picture(one["picture"])
        assert source is not None and source["pixels"] == recipe["input"]["sha256"]
        assert one["proof"]["changed"] == 0 < one["proof"]["protected"]
        assert studio.maps.path(one["map"]) is not None
    first, second, third = (results[name] for name in sorted(results))
    assert (first["edit"], first["k"], second["k"]) == (second["edit"], 0, 1) and third["edit"] != first["edit"]
    assert second["kept"] == third["picture"] == hashlib.sha256((folder / second["file"]).read_bytes()).hexdigest()
    assert "kept" not in first and "kept" not in third
    assert read_metadata(folder / third["file"])["parent"] == studio.store.picture(third["picture"])["pixels"]  # type: ignore[index]
    assert rescan(studio) == (0, 0)  # what is known is not found twice


def test_the_command_line_of_a_found_result_makes_the_same_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from scumble.cli import main

    monkeypatch.chdir(tmp_path)
    studio = opened(folder)
    rescan(studio)
    model = str(Path(__file__).parents[1] / "reference" / "tiny-sd")
    for one in studio.store.results():
        words = shlex.split(one["command"])
        words[words.index("--model") + 1] = model
        main([*words[1:-1], str(tmp_path / "again.png"), "--overwrite"])
        again, before = (np.asarray(Image.open(path)) for path in (tmp_path / "again.png", folder / one["file"]))
        assert (again == before).all(), one["file"]


def test_what_has_no_file_any_more_leaves_the_list_and_stars_stay(folder: Path) -> None:
    studio = opened(folder)
    rescan(studio)
    names = {one["file"]: one["id"] for one in studio.store.results()}
    studio.store.star(names["photo-002.png"], True)
    (folder / "photo-001-1.png").unlink()
    assert rescan(studio) == (0, 1)
    assert {one["file"]: one["star"] for one in studio.store.results()} == {
        "photo-001-2.png": False, "photo-002.png": True,
    }  # fmt: skip


def test_a_source_that_the_studio_lost_is_taken_from_beside_the_folder(folder: Path) -> None:
    shutil.rmtree(folder / ".scumble" / "pictures")
    studio = opened(folder)
    assert rescan(studio)[0] == 3
    assert all(studio.pictures.path(one["picture"]) is not None for one in studio.store.results())
    (folder.parent / "photo.png").unlink()
    shutil.rmtree(folder / ".scumble" / "pictures")
    (folder / ".scumble" / "ledger.sqlite").unlink()
    again = opened(folder)
    rescan(again)
    lost = {one["file"]: (one["picture"], one["proof"], one["command"]) for one in again.store.results()}
    assert lost["photo-001-1.png"] == lost["photo-001-2.png"] == ("", None, "")
    assert lost["photo-002.png"][0] != ""


def test_inversions_come_back_to_the_shelf(folder: Path, tiny_editor: Editor) -> None:
    studio = opened(folder)
    name, path = studio.inversions.new()
    picture = next((folder / ".scumble" / "pictures").glob("*/photo.png"))
    tiny_editor.invert(picture, kind="ddim", num_inference_steps=2).save(path)
    rescan(studio)
    (shelf,) = studio.store.inversions()
    assert (shelf["id"], shelf["picture"], shelf["steps"]) == (name, picture.parent.name, 2)
    assert shelf["bytes"] == path.stat().st_size and shelf["name"].startswith("photo, ddim")
