"""Files are whole or not there at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scumble.errors import InputError
from scumble.images import check_target, save_image, sidecar_path

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8))
TEXTS = {"scumble": '{"prompt": "a café at night 夜"}', "parameters": "ein Käfer"}


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "a.jpeg", "a.webp"])
def test_every_format_is_written_with_its_metadata(tmp_path: Path, name: str) -> None:
    path = save_image(PICTURE, tmp_path / name, TEXTS)
    assert Image.open(path).size == PICTURE.size
    if path.suffix.lower() == ".png":
        assert Image.open(path).text == TEXTS  # type: ignore[attr-defined]
        assert sorted(p.name for p in tmp_path.iterdir()) == [name]
    else:
        assert json.loads(sidecar_path(path).read_text(encoding="utf-8")) == TEXTS
        assert sorted(p.name for p in tmp_path.iterdir()) == [name, name + ".json"]


def test_png_is_lossless_for_every_mode(tmp_path: Path) -> None:
    for mode in ("RGB", "RGBA", "L"):
        image = PICTURE.convert(mode)
        assert Image.open(save_image(image, tmp_path / "a.png")).tobytes() == image.tobytes()


def test_files_get_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    assert save_image(PICTURE, tmp_path / "a.png").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_image(PICTURE, tmp_path / "a.png")
    old = path.read_bytes()

    def stop(self: Image.Image, target: Any, **options: Any) -> None:
        Path(target).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        save_image(PICTURE, path)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


def test_what_an_encoder_refuses_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        save_image(Image.new("RGB", (17000, 1)), tmp_path / "wide.webp", TEXTS)
    assert list(tmp_path.iterdir()) == []


def test_the_recipe_of_an_earlier_picture_does_not_stay_beside_a_new_one(tmp_path: Path) -> None:
    save_image(PICTURE, tmp_path / "a.jpg", TEXTS)
    save_image(PICTURE, tmp_path / "a.jpg", None)
    assert not sidecar_path(tmp_path / "a.jpg").exists()


@pytest.mark.parametrize("content", ["[1, 2]", "not json", '{"mine": 1}'])
def test_a_json_file_of_the_person_is_not_removed(tmp_path: Path, content: str) -> None:
    sidecar_path(tmp_path / "a.jpg").write_text(content)
    save_image(PICTURE, tmp_path / "a.jpg", None)
    assert sidecar_path(tmp_path / "a.jpg").read_text() == content


def test_bad_targets_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for target, says in (
        (tmp_path / "folder.png", "is a folder"),
        (tmp_path / "missing" / "a.png", "does not exist"),
        (tmp_path / "a.gif", r"\.png, \.jpg, \.jpeg, \.webp"),
        (tmp_path / "a", "must end in"),
    ):
        for refuse in (check_target, lambda path: save_image(PICTURE, path)):
            with pytest.raises(InputError, match=says):
                refuse(target)
    with pytest.raises(InputError, match="transparency"):
        save_image(PICTURE.convert("RGBA"), tmp_path / "a.jpg")
    with pytest.raises(InputError, match="quality"):
        save_image(PICTURE, tmp_path / "a.jpg", quality=0)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a folder that cannot be written to")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        check_target(tmp_path / "a.png")
