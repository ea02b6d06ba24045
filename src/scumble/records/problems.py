"""Problems of a list of requests, every line of it, before anything is made."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scumble.errors import InputError
from scumble.files import atomic_write

if TYPE_CHECKING:
    from scumble.records.list_lines import Found

__all__ = ["SHOWN", "ListError", "Problem", "write_problems"]

SHOWN = 20
"""So many problems are named in an error."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        source: The list, or the file.
        line: Line in the list, from 1; None: the whole of it.
        text: What is wrong, and what to do.
    """

    source: str
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.source}{'' if self.line is None else f':{self.line}'}: {self.text}"


class ListError(InputError):
    """A list of requests cannot be used.

    Attributes:
        problems: All that is wrong.
        readable: The rest of a list of which some lines cannot be read: they may have problems of another kind.
    """

    def __init__(self, problems: Sequence[Problem], readable: Found | None = None) -> None:
        self.problems, self.readable = list(problems), readable
        lines = [str(one) for one in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"… and {len(self.problems) - SHOWN} more problems")
        super().__init__("\n".join(lines))


def write_problems(problems: Sequence[Problem]) -> Path:
    """Write all problems of a list to ``LIST.errors.csv`` in the current folder, and return its path.

    Raises:
        InputError: If it cannot be written.
    """
    path = Path(f"{Path(problems[0].source).name}.errors.csv")
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["list", "line", "problem"])
        writer.writerows([one.source, one.line, one.text] for one in problems)
    return path
