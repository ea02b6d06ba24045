"""ImageNet-R-TI2I and its relatives (arXiv 2211.12572, 2304.06140): a YAML list of pictures and target prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scumble.errors import InputError
from scumble.images import load_image
from scumble_lab.bench.case import Case, Sample
from scumble_lab.bench.folder import Benchmark
from scumble_lab.bench.formatting import counted

__all__ = ["open_ti2i"]


def open_ti2i(folder: Path) -> Benchmark:
    """Open a folder with one `.yaml` list of entries `init_img`, `target_prompts` and, in some, `source_prompt`.

    Every target prompt is a case, named after its picture. Pictures are looked for as listed and by their bare name.

    Raises:
        InputError: if PyYAML is missing, the list is none, or no picture is there.
    """
    try:
        import yaml
    except ImportError as error:
        raise InputError("reading this benchmark needs PyYAML: pip install pyyaml") from error
    path = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])[0]
    try:
        entries = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InputError(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(entries, list):
        raise InputError(f"{path.name} must be a list of pictures with init_img and target_prompts")
    cases: list[Case] = []
    places: dict[str, Path] = {}
    missing: list[str] = []
    for number, entry in enumerate(entries):
        place = _place(folder, entry, number, path.name)
        if place is None:
            missing.append(str(entry["init_img"]))
            continue
        for case in _cases(place, entry, number):
            cases.append(case)
            places[case.id] = place
    if not cases:
        raise InputError(f"none of the {len(entries)} pictures that {path.name} lists is in {folder.name}")
    remarks = (f"{counted(len(missing), 'listed picture')} missing, the first is {missing[0]}",) if missing else ()
    return Benchmark(
        folder, path.stem, tuple(cases),
        lambda case: Sample(case, load_image(places[case.id]).rgb), remarks, "ti2i",
    )  # fmt: skip


def _place(folder: Path, entry: Any, number: int, name: str) -> Path | None:
    if not isinstance(entry, dict) or "init_img" not in entry or not isinstance(entry.get("target_prompts"), list):
        raise InputError(f"{name}: entry {number} needs init_img and a list target_prompts")
    given = Path(str(entry["init_img"]))
    tries = [folder / given.name] if given.is_absolute() else [folder / given, folder / given.name]
    inside = [path for path in tries if path.is_file() and folder.resolve() in path.resolve().parents]
    return inside[0] if inside else None


def _cases(place: Path, entry: dict[str, Any], number: int) -> list[Case]:
    source = str(entry.get("source_prompt", "") or "")
    return [
        Case(
            id=f"{number:03d}-{place.stem}-{k}", task="ti2i", instruction=str(prompt), source_prompt=source,
            prompt=str(prompt),
        )
        for k, prompt in enumerate(entry["target_prompts"])
    ]  # fmt: skip
