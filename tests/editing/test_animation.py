from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from scumble.editing import animation as animate
from scumble.editing.animation import save_animation
from scumble.errors import InputError

FRAMES = [Image.new("RGB", (10, 9), (30 * k, 0, 0)) for k in range(5)]


def test_a_gif_holds_every_frame(tmp_path: Path) -> None:
    path = save_animation(FRAMES, tmp_path / "way.gif")
    with Image.open(path) as film:
        assert film.n_frames == 5
        assert film.size == (10, 9)
        film.seek(4)
        assert abs(film.convert("RGB").getpixel((3, 3))[0] - 120) < 8  # type: ignore[index]
    assert [p.name for p in tmp_path.iterdir()] == ["way.gif"]


@pytest.mark.parametrize(("name", "said"), [("way.png", "unknown extension"), ("none/way.gif", "does not exist")])
def test_names_that_cannot_be_written_are_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        save_animation(FRAMES, tmp_path / name)


def test_a_film_needs_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        save_animation([], tmp_path / "way.gif")


def test_mp4_without_ffmpeg_is_refused_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animate.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="ffmpeg"):
        save_animation(FRAMES, tmp_path / "way.mp4")
    assert list(tmp_path.iterdir()) == []
