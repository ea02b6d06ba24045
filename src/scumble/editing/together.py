"""Edits that share the calls of the network, and the one of them that is made again alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from scumble.editing.editor import Editor
from scumble.editing.result import Result
from scumble.models.base import Model
from scumble.models.runtime.together import Beside, run_together

__all__ = ["edit_together"]


def edit_together(editor: Editor, edits: Sequence[Callable[[Editor], Result]]) -> list[Result | BaseException]:
    """Make several edits whose calls of the network are shared wherever their rows have one size.

    Each is given an editor of its own and is an edit as ever: with its picture, map, seed and callbacks, its result or
    what it raised. A shared call rounds otherwise than one for a single edit, so pictures may differ by a grey level;
    the recipe says how the calls were shared, and :func:`~scumble.redo` repeats just that.

    Args:
        editor: With the model. Its cache is not used: what another edit made is not to be part of a picture.
        edits: Each makes its edit with the editor that it is given.
    """

    def work(edit: Callable[[Editor], Result]) -> Callable[[Model], Result]:
        return lambda model: edit(_Member(model, editor.threads, cache=False))

    with editor._turn():
        ended = run_together(editor.model, [work(edit) for edit in edits])
    return [_noted(one, beside, len(edits)) if isinstance(one, Result) else one for one, beside in ended]


def _noted(result: Result, beside: list[Beside], members: int) -> Result:
    """The result with how its calls were shared, and its share of the time that all took."""
    cost = replace(result.cost, seconds=result.cost.seconds / members)
    return replace(result, recipe=result.recipe.model_copy(update={"group": beside}), cost=cost)


class _Member(Editor):
    """An editor in a group, which has the network's turn for all of them."""

    @contextmanager
    def _turn(self) -> Iterator[None]:
        yield
