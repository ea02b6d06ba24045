"""Find the files that a recipe names: by their content, beside the result or where the user says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scumble.errors import CheckpointError, InputError
from scumble.files import READABLE_PICTURES
from scumble.hashing import files_sha256
from scumble.images import Picture, load_image
from scumble.images.decode import picture_size
from scumble.inversion.file import SUFFIX
from scumble.inversion.inversion import Inversion
from scumble.untrusted import is_plain_name, regular_file

__all__ = ["Beside"]

MAX_FILES = 20_000
"""Files of a folder that are looked at."""
MAX_BYTES = 4_000_000_000
"""Size of a file that is read to compare its content."""
ASPECT = 0.02
KEPT = ("pictures/*", "maps/*", "inversions", "texts")
"""Where a studio keeps what its results were made from, inside ``.scumble``."""


@dataclass(frozen=True)
class Beside:
    """Folders in which a recipe's files may lie. Nothing is opened because a recipe says where it is.

    Attributes:
        folders: The result's own, and those that the user gave.
    """

    folders: tuple[Path, ...]

    @classmethod
    def around(cls, path: Path, more: Sequence[str | Path] = ()) -> Beside:
        """The folder of a result, what a studio keeps in it by hash, and folders that the user gave."""
        own = path.absolute().parent
        kept = sorted(one for part in KEPT for one in (own / ".scumble").glob(part) if one.is_dir())
        return cls((own, *map(Path, more), *kept))

    def picture(self, wanted: dict[str, str], size: tuple[int, int]) -> Picture | None:
        """The picture with these pixels, or None; only pictures of that size are decoded."""
        return next(self.pictures(wanted, size), None)

    def pictures(self, wanted: dict[str, str], size: tuple[int, int]) -> Iterator[Picture]:
        """Every picture with these pixels, that of the name first; only pictures of that size are decoded."""
        for path in self.likely(wanted["name"], READABLE_PICTURES):
            measured = picture_size(path)
            if measured is not None and measured not in (size, size[::-1]):
                continue
            try:
                picture = load_image(path)
            except InputError:
                continue
            if picture.sha256 == wanted["sha256"]:
                yield picture

    def map(self, wanted: dict[str, str], size: tuple[int, int], sha256: Callable[[Path], str]) -> Path | None:
        """The change map with these strengths, or None; of other pictures only those of its shape are decoded."""
        for path in self._of_shape(wanted["name"], size):
            try:
                if sha256(path) == wanted["sha256"]:
                    return path
            except InputError:
                continue
        return None

    def _of_shape(self, name: str, size: tuple[int, int]) -> list[Path]:
        """Pictures of about the same aspect by their headers: that of the name, those of the size, then by pixels."""
        rated: list[tuple[bool, bool, int, str, Path]] = []
        for path in self.likely(name, READABLE_PICTURES):
            width, height = picture_size(path) or (0, 0)
            slack = ASPECT * width * size[1] + sum(size)
            if width and abs(width * size[1] - height * size[0]) <= slack:
                rated.append((path.name != name, (width, height) != size, width * height, path.name, path))
        return [path for *_, path in sorted(rated)]

    def inversion(self, wanted: dict[str, str]) -> Inversion | None:
        """The inversion with these tensors, or None."""
        for path in self.likely(wanted["name"], (SUFFIX,)):
            try:
                inversion = Inversion.load(path)
            except CheckpointError:
                continue
            if inversion.sha256 == wanted["sha256"]:
                return inversion
        return None

    def file(self, wanted: dict[str, str]) -> Path | None:
        """The file with these bytes, or None. Format 1 has no hashes: there the plain name must do."""
        suffix = Path(wanted["name"]).suffix
        for path in self.likely(wanted["name"], (suffix,) if suffix else None):
            if not wanted["sha256"]:
                if path.name == wanted["name"] and is_plain_name(path.name):
                    return path
            elif files_sha256([path]) == wanted["sha256"]:
                return path
        return None

    def likely(self, name: str, suffixes: Sequence[str] | None) -> list[Path]:
        """The regular files with one of these endings, those of that name first."""
        return sorted(self._files(suffixes), key=lambda path: (path.name != name, path.name))

    def _files(self, suffixes: Sequence[str] | None) -> Iterator[Path]:
        for folder in self.folders:
            for number, path in enumerate(folder.iterdir()):
                if number >= MAX_FILES:
                    break
                if suffixes is None or path.name.lower().endswith(tuple(suffixes)):
                    try:
                        yield regular_file(path, "the file", MAX_BYTES)
                    except InputError:
                        continue
