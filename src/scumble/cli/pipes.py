"""``-`` on the command line: a picture from stdin, a picture to stdout."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from scumble.errors import InputError

if TYPE_CHECKING:
    from scumble.images import Picture

__all__ = [
    "STDIN",
    "STDOUT",
    "file_of",
    "input_file",
    "is_stdout",
    "named",
    "opened",
    "output_file",
    "refuse_terminal",
    "with_streams",
]

STDIN, STDOUT = "stdin:", "stdout:"
"""What a lone ``-`` becomes before flags are parsed: parsers take it for a flag."""


def with_streams(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with a lone ``-`` as :data:`STDIN`, or :data:`STDOUT` after ``-o``."""
    pairs = zip(["", *words], words, strict=False)
    streams = [_stream(before) if word == "-" else word for before, word in pairs]
    return [f"--output={STDOUT}" if word in ("-o=-", "--output=-") else word for word in streams]


def _stream(before: str) -> str:
    return STDOUT if before in ("-o", "--output") else STDIN


def is_stdout(path: Path) -> bool:
    """Whether a picture goes to stdout."""
    return str(path) == STDOUT


def named(image: str) -> str:
    """What an output is named after that has no name: the picture's file name without its ending."""
    return "stdin" if image == STDIN else Path(image).stem


def file_of(image: str | None) -> Path | None:
    """The file that is edited, where it is one."""
    return None if image is None or image == STDIN else Path(image)


def opened(image: str | Path) -> Picture:
    """Load a picture from a file, or from stdin.

    Raises:
        InputError: If nobody pipes anything in, or it is no picture.
    """
    from scumble.images import load_image

    return load_image(_stdin() if str(image) == STDIN else image)


def _stdin() -> BinaryIO:
    if sys.stdin.isatty():
        raise InputError("- reads a picture from stdin, which is a terminal: pipe one in, as in cat a.png | scumble …")
    return sys.stdin.buffer


def refuse_terminal() -> None:
    """Refuse to write a picture where a person would see its bytes.

    Raises:
        InputError: If stdout is a terminal.
    """
    if sys.stdout.isatty():
        raise InputError("-o - would write a picture into the terminal; pipe it on, or give a file name")


@contextmanager
def input_file(path: Path) -> Iterator[Path]:
    """Yield a file to read: the path, or for stdin a temporary file with what was piped in."""
    if str(path) != STDIN:
        yield path
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "stdin"
        with file.open("wb") as copy:
            shutil.copyfileobj(_stdin(), copy)
        yield file


@contextmanager
def output_file(target: Path) -> Iterator[Path]:
    """Yield the file to write: the target, or for stdout a PNG that is sent when the block ends without an error."""
    if not is_stdout(target):
        yield target
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "out.png"
        yield file
        sys.stdout.buffer.write(file.read_bytes())
        sys.stdout.buffer.flush()
