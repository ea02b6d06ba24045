"""Problems of a list of requests, every line of it, before anything is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scumble.errors import InputError

__all__ = ["ListError", "Problem"]

SHOWN = 20


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
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        lines = [str(one) for one in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"… and {len(self.problems) - SHOWN} more problems")
        super().__init__("\n".join(lines))
