"""What a worker does with several requests at once: their edits share the calls of the network, and nothing else."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from scumble.editing.editor import Editor
from scumble.editing.result import Result
from scumble.editing.together import edit_together
from scumble.errors import CancelledError
from scumble.records.request import Request
from scumble.work.attempt import Attempt, Todo, edited, without_folders_in_errors
from scumble.work.crew import Cancelled, Tell
from scumble.work.process import outcome_of

__all__ = ["make_together"]


def make_together(
    attempt: Attempt, group: Sequence[Mapping[str, Any]], tell: Tell, cancelled: Cancelled
) -> dict[str, Any]:
    """Make requests of one model; return under ``members`` what became of each, by its number.

    One that fails is tried once more, alone, and that decides what becomes of it.
    """
    members: dict[int, dict[str, Any]] = {}
    due: dict[int, Todo] = {}
    for payload in group:
        number = int(payload["number"])
        try:
            request = Request.model_validate(payload["request"])
            with without_folders_in_errors(request):
                todo = attempt.begin(request, payload, partial(tell, number=number))
        except Exception as error:
            members[number] = _reason(number, error)
            continue
        if todo.there is None:
            due[number] = todo
        else:
            members[number] = todo.there
    edits = [_edit(number, todo, tell, cancelled) for number, todo in due.items()]
    results = edit_together(next(iter(due.values())).editor, edits) if due else []
    for (number, todo), result in zip(due.items(), results, strict=True):
        try:
            if isinstance(result, Result):
                members[number] = attempt.finish(todo, result)
            elif isinstance(result, CancelledError):
                members[number] = outcome_of(result)
            else:
                _reason(number, result)  # for the worker's log; it is tried once more
                members[number] = attempt.make(todo.payload, partial(tell, number=number), partial(cancelled, number))
        except Exception as error:
            members[number] = _reason(number, error)
    return {"members": members}


def _edit(number: int, todo: Todo, tell: Tell, cancelled: Cancelled) -> Callable[[Editor], Result]:
    def make(editor: Editor) -> Result:
        return edited(editor, todo, 1, partial(tell, number=number), partial(cancelled, number))

    return make


def _reason(number: int, error: BaseException) -> dict[str, Any]:
    print(f"request {number}:", file=sys.stderr)
    traceback.print_exception(error)
    sys.stderr.flush()
    return outcome_of(error)
