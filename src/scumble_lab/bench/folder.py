"""Benchmarks as plain folders: pictures as PNG, words as JSON, results of any software beside them.

benchmark.json                     seed, size, tasks and the list of cases
cases/<case>/case.json             what is asked for (see `Case`)
cases/<case>/source.png            the picture to be edited
cases/<case>/target.png            the true result
cases/<case>/change.png            white where the true result differs visibly
cases/<case>/region.png            white where an edit may change things
results/<editor>/<case>.png        what an editor made of it, of the source's size
results/<editor>/<case>.json       what it took (optional): settings, cost, error
scores/<case>.json                 figures that need not be made again; may be deleted
runs/<start>.json                  how long a run took (see `spent`)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from scumble.errors import InputError, first_problem
from scumble.files import atomic_write
from scumble.images import load_image, save_image
from scumble.untrusted import is_plain_name, parse_json, printable, read_text
from scumble_lab.bench.case import Case, Mask, Sample
from scumble_lab.bench.domain_shift import veiled
from scumble_lab.bench.formatting import counted
from scumble_lab.bench.tasks import draw

__all__ = ["Benchmark", "make", "open_folder", "read_json", "write_json"]

FORMAT = 1
_INDEX = "benchmark.json"


@dataclass(frozen=True)
class Benchmark:
    """Cases that can be loaded one by one, and where their results are filed.

    Attributes:
        folder: Where it lies; results are filed under `results` inside.
        name: For the report.
        cases: All of them, task by task.
        load: Reads the pictures of one.
        notices: What was odd about the folder, one line each.
        style: Which conventions its scores follow: `world`, `pie-bench`, `drag-bench` or `ti2i`.
        has_truth: Whether the true result of a case is known.
    """

    folder: Path
    name: str
    cases: tuple[Case, ...]
    load: Callable[[Case], Sample]
    notices: tuple[str, ...] = ()
    style: str = "world"
    has_truth: Callable[[Case], bool] = lambda case: False

    @property
    def tasks(self) -> tuple[str, ...]:
        """The kinds of edits, in their order."""
        return tuple(dict.fromkeys(case.task for case in self.cases))

    @property
    def results(self) -> Path:
        """The folder of all results."""
        return self.folder / "results"

    def sample(self, name: str) -> Sample:
        """The case of that name with its pictures.

        Raises:
            InputError: if there is none, or a picture cannot be read.
        """
        for case in self.cases:
            if case.id == name:
                return self.load(case)
        raise InputError(f"the benchmark has no case {name!r}")


def make(
    folder: Path,
    tasks: Sequence[str],
    count: int,
    seed: int = 0,
    size: int = 64,
    on_case: Callable[[int, int], None] | None = None,
    words: Sequence[str] = (),
    veil: str = "",
) -> Benchmark:
    """Write `count` cases of each task; cases that are already there, drawn in the same way, are kept.

    Args:
        folder: Where to.
        tasks: Names of `TASKS`.
        count: Cases of each.
        seed: Other cases.
        size: Width and height of the pictures.
        on_case: Told after each case how many are done, and of how many.
        words: Only edits to these new values; none: to any.
        veil: One of `VEILS` over all pictures, or none.

    Raises:
        InputError: if the folder holds a benchmark of another seed, size, words or veil, or cannot be written.
    """
    if count < 1 or size < 16:
        raise InputError(f"count must be at least 1 and size at least 16, got {count} and {size}")
    known = _index(folder) if (folder / _INDEX).is_file() else {}
    for key, value in (("seed", seed), ("size", size), ("words", list(words)), ("veil", veil)):
        if known and (there := known.get(key, type(value)())) != value:
            raise InputError(
                f"{folder.name} holds a benchmark of {key} {_text(there)}, not {_text(value)}: use another folder"
            )
    wanted = [(task, number) for task in tasks for number in range(count)]
    names = list(known.get("cases", []))
    for done, (task, number) in enumerate(wanted):
        name = f"{task}-{number:03d}"
        if not (folder / "cases" / name / "case.json").is_file():
            drawn = draw(task, number, seed, size, words)
            _write_sample(folder / "cases" / name, veiled(drawn, veil, seed) if veil else drawn)
        if name not in names:
            names.append(name)
        if on_case is not None:
            on_case(done + 1, len(wanted))
    about = {"format": FORMAT, "seed": seed, "size": size, "cases": names, "scumble": version("scumble")}
    chosen = {"words": list(words), "veil": veil}
    write_json(folder / _INDEX, about | {key: value for key, value in chosen.items() if value})
    return open_folder(folder)


def open_folder(folder: Path) -> Benchmark:
    """Open a benchmark that `make` has written.

    Raises:
        InputError: if it is none, or a case lacks a file; it names the first and says how many.
    """
    about = _index(folder)
    names = about.get("cases")
    known = about.get("format") == FORMAT and {"seed", "size"} <= about.keys()
    if not known or not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{folder / _INDEX} is no benchmark of format {FORMAT} with seed, size and a list of cases")
    for name in names:
        if not is_plain_name(name):
            raise InputError(f"{folder / _INDEX} lists {printable(name[:80])!r}, which is no plain name of a folder")
    missing = [
        f"{name}/{file}"
        for name in names
        for file in ("case.json", "source.png")
        if not (folder / "cases" / name / file).is_file()
    ]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise InputError(f"the benchmark {folder.name} lacks cases/{missing[0]}{more}: make it again into this folder")
    cases = tuple(_read_case(folder / "cases" / name / "case.json") for name in names)
    for name, case in zip(names, cases, strict=True):
        if case.id != name:
            raise InputError(f"cases/{name}/case.json is of a case {case.id!r}, not of {name!r}")
    extra = sorted({path.name for path in (folder / "cases").iterdir()} - set(names))
    remarks = (f"{counted(len(extra), 'unlisted folder')} in cases left out: {', '.join(extra[:5])}",) if extra else ()
    under = f" under a veil ({about['veil']})" if about.get("veil") else ""
    title = f"still-life world{under}, seed {about['seed']}, {about['size']} px"
    return Benchmark(
        folder,
        title,
        cases,
        lambda case: _read_sample(folder / "cases" / case.id, case),
        remarks,
        has_truth=lambda case: (folder / "cases" / case.id / "target.png").is_file(),
    )


def write_json(path: Path, data: object) -> None:
    """Write a JSON file whole or not at all, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def _text(value: object) -> str:
    return "none" if value in ("", []) else ", ".join(value) if isinstance(value, list) else str(value)


def _index(folder: Path) -> dict[str, Any]:
    if not (folder / _INDEX).is_file():
        raise InputError(f"{folder} is no benchmark: it has no {_INDEX}; make one with scumble bench make")
    return read_json(folder / _INDEX)


def read_json(path: Path) -> dict[str, Any]:
    """The mapping that a JSON file holds.

    Raises:
        InputError: if it cannot be read or holds none.
    """
    try:
        data = parse_json(read_text(path, "the file"), path.name)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no mapping")
    return data


def _read_case(path: Path) -> Case:
    try:
        return Case.model_validate(read_json(path))
    except ValidationError as error:
        where, reason = first_problem(error)
        raise InputError(f"{path} is no case: {where} {reason}") from error


def _write_sample(folder: Path, sample: Sample) -> None:
    """Pictures first, the words last: a folder with its `case.json` is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"source": sample.source, "target": sample.target}
    masks = {"change": sample.change, "region": sample.region}
    pictures |= {name: None if mask is None else Image.fromarray(mask) for name, mask in masks.items()}
    for name, image in pictures.items():
        if image is not None:
            save_image(image.convert("L") if image.mode == "1" else image, folder / f"{name}.png")
    write_json(folder / "case.json", sample.case.model_dump(mode="json", exclude_none=True))


def _read_sample(folder: Path, case: Case) -> Sample:
    source = load_image(folder / "source.png").rgb
    target = load_image(folder / "target.png").rgb if (folder / "target.png").is_file() else None
    change, region = (_read_mask(folder / f"{name}.png") for name in ("change", "region"))
    for name, size in (
        ("target", target.size if target else None),
        *((name, mask.shape[::-1]) for name, mask in (("change", change), ("region", region)) if mask is not None),
    ):
        if size is not None and size != source.size:
            remark = f"cases/{case.id}/{name}.png is {size[0]}x{size[1]}"
            raise InputError(f"{remark}, the source {source.width}x{source.height}")
    return Sample(case, source, target, change, region)


def _read_mask(path: Path) -> Mask | None:
    return np.asarray(load_image(path).rgb.convert("L")) >= 128 if path.is_file() else None
