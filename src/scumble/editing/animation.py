"""A short film of a drag: GIF anywhere, MP4 where ffmpeg is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from scumble.errors import InputError
from scumble.files import atomic_write

__all__ = ["check_animation", "save_animation"]

HOLD = 8
"""Number of frames for which the first and the last image stay."""


def check_animation(path: Path) -> None:
    """Refuse a name that cannot be written, before anything is computed.

    Raises:
        InputError: For another extension, MP4 without ffmpeg, or a missing folder.
    """
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise InputError(f"animation {path.name!r} has an unknown extension: use .gif or .mp4")
    if path.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError("an .mp4 needs the program ffmpeg, which is not installed: use .gif")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent.name!r} of the animation does not exist; create it first")


def save_animation(frames: Sequence[Image.Image], path: Path, seconds: float = 0.1) -> Path:
    """Write frames of one size one after the other, endlessly repeated in a GIF; never half a file.

    Args:
        frames: The pictures, at least one.
        path: ``.gif`` or ``.mp4``.
        seconds: How long each is seen; the first and the last stay longer.

    Raises:
        InputError: As :func:`check_animation`; or for no frames; or what ffmpeg says.
    """
    check_animation(path)
    if not frames:
        raise InputError("there are no pictures to animate: ask for some with frames=")
    pictures = [frame.convert("RGB") for frame in frames]
    with atomic_write(path) as unfinished:
        if path.suffix.lower() == ".gif":
            times = [round(1000 * seconds)] * len(pictures)
            times[0] = times[-1] = HOLD * times[0]
            more = pictures[1:]
            pictures[0].save(unfinished, format="GIF", save_all=True, append_images=more, duration=times, loop=0)
        else:
            _mp4([*pictures[:1] * HOLD, *pictures[1:-1], *pictures[-1:] * HOLD], unfinished, seconds)
    return path


def _mp4(pictures: Sequence[Image.Image], path: Path, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for k, picture in enumerate(pictures):
            picture.save(Path(folder) / f"{k:05}.png")
        # yuv420p, which every player knows, needs even sides
        words = ["-i", f"{folder}/%05d.png", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]
        command = ["ffmpeg", "-y", "-loglevel", "error", "-framerate", f"{1 / seconds:g}", *words]
        command += ["-f", "mp4", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"ffmpeg could not write the animation: {done.stderr.strip().splitlines()[-1:]}")
