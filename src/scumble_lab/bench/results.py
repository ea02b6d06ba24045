"""What lies in an editor's folder of results, whoever put it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from scumble.errors import InputError
from scumble.images import load_image
from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.folder import Benchmark, read_json

__all__ = ["Found", "find_results", "result_picture"]


@dataclass(frozen=True)
class Found:
    """What lies in an editor's folder of results.

    Attributes:
        editor: Its name.
        pictures: Case names with a picture.
        errors: Case names that failed, with the reason that was recorded.
        missing: Cases with neither.
        extra: Files that belong to no case.
    """

    editor: str
    pictures: tuple[str, ...]
    errors: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def find_results(benchmark: Benchmark, editor: str, cases: Sequence[Case] | None = None) -> Found:
    """Look through the results of one editor for all cases, or those that it was asked to do."""
    folder = benchmark.results / editor
    names = {case.id for case in benchmark.cases}
    present = {path.stem for path in folder.glob("*.png")}
    errors = {}
    for path in folder.glob("*.json"):
        if path.stem in names and path.stem not in present:
            errors[path.stem] = str(read_json(path).get("error", "its picture is missing"))
    due = [case.id for case in (benchmark.cases if cases is None else cases)]
    files = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    file_names = {f"{name}{suffix}" for name in names for suffix in (".png", ".json")}
    return Found(
        editor,
        tuple(name for name in due if name in present),
        errors,
        tuple(name for name in due if name not in present and name not in errors),
        tuple(sorted(name for name in files - file_names if not name.startswith("."))),
    )


def result_picture(benchmark: Benchmark, editor: str, sample: Sample) -> Image.Image:
    """What an editor made of a case.

    Raises:
        InputError: if the file cannot be read or has another size than the source.
    """
    path = benchmark.results / editor / f"{sample.case.id}.png"
    picture = load_image(path).rgb
    if picture.size != sample.source.size:
        sizes = " but ".join(f"{w}x{h}" for w, h in (picture.size, sample.source.size))
        raise InputError(f"results/{editor}/{path.name} is {sizes.replace(' but ', ', the source is ')}")
    return picture
