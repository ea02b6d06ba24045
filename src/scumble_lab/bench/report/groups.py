"""Who is compared with whom: the methods of a family over the tasks that all of them have results of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scumble_lab.bench.bench_editor import Family
from scumble_lab.bench.collect import Collected
from scumble_lab.bench.editors import EDITORS

__all__ = ["FAMILIES", "Group", "common_tasks", "compared", "few", "trivial"]

FAMILIES: dict[Family, tuple[str, str]] = {
    "trivial": ("Trivial", "where the scales begin and end"),
    "words": ("Words", "the whole picture may change"),
    "region": ("Words into a region", "the rest must stay"),
    "drag": ("Drags", "this point goes there"),
    "guidance": ("Guidance", "by energies and directions"),
}
"""What each family is called, and what it is about."""

ENOUGH = 0.5
"""Who has fewer than this share of the cases of the others is not compared yet."""


@dataclass(frozen=True)
class Group:
    """Methods of one family that all have results of some tasks; results from outside that have them come first.

    Attributes:
        family: Theirs.
        names: Who, in the order of the tables.
        tasks: What all of them have done.
        called: A short name; parts of one family are called after their methods.
        about: What it is about, or of a part its tasks.
        key: Its name among files.
    """

    family: Family
    names: tuple[str, ...]
    tasks: tuple[str, ...]
    called: str
    about: str
    key: str

    @property
    def title(self) -> str:
        """A heading that no other group has."""
        return f"{self.called}: {self.about}"


def common_tasks(collected: Collected, names: Sequence[str]) -> tuple[str, ...]:
    """The tasks of which all of these editors have results."""
    tasks = [{row.task for row in collected.of(name)} for name in names]
    shared = set.intersection(*tasks) if tasks else set()
    return tuple(task for task in collected.benchmark.tasks if task in shared)


def compared(collected: Collected) -> list[Group]:
    """Each family over the tasks that all of it do, or in parts where there are none."""
    return [group for family in FAMILIES if family != "trivial" for group in _groups(collected, family)]


def trivial(collected: Collected, tasks: Sequence[str]) -> list[str]:
    """The trivial editors that have results of all of these tasks."""
    names = [name for name in collected.editors if name in EDITORS and EDITORS[name].family == "trivial"]
    return [name for name in names if _does(collected, name, tasks)]


def few(collected: Collected, names: Sequence[str], tasks: Sequence[str]) -> dict[str, str]:
    """Those that have not half of the cases of the one that has most, with how many of how many."""
    counts = {name: len(collected.of(name, tasks)) for name in names}
    most = max(counts.values(), default=0)
    return {name: f"{count} of {most}" for name, count in counts.items() if count < ENOUGH * most}


def _groups(collected: Collected, family: Family) -> Iterator[Group]:
    names = [name for name in collected.editors if name in EDITORS and EDITORS[name].family == family]
    others = [name for name in collected.editors if name not in EDITORS]
    parts = {common_tasks(collected, names): names} if common_tasks(collected, names) else _parts(collected, names)
    title, about = FAMILIES[family]
    for tasks, part in parts.items():
        outside = [name for name in others if _does(collected, name, tasks)]
        methods = list(dict.fromkeys(EDITORS[name].method or name for name in part))
        separate = len(parts) > 1
        yield Group(
            family,
            (*outside, *part),
            tasks,
            f"{title}, {', '.join(methods)}" if separate else title,
            ", ".join(tasks) if separate else about,
            "-".join([family, *tasks]) if separate else family,
        )


def _parts(collected: Collected, names: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """The editors apart by what they are for and, of that, have done; with each those of its method that do it too."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        alike.setdefault(EDITORS[name].tasks, []).append(name)
    parts: dict[tuple[str, ...], set[str]] = {}
    for part in alike.values():
        tasks = common_tasks(collected, part)
        if tasks:
            methods = {EDITORS[name].method for name in part}
            akin = {name for name in names if EDITORS[name].method in methods and _does(collected, name, tasks)}
            parts.setdefault(tasks, set()).update(akin)
    return {tasks: [name for name in names if name in part] for tasks, part in parts.items()}


def _does(collected: Collected, name: str, tasks: Sequence[str]) -> bool:
    return set(tasks) <= {row.task for row in collected.of(name)}
