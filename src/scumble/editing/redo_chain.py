"""Make a whole chain of edits again, from the picture at its beginning to the last one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from scumble.editing.editor import Editor
from scumble.editing.redo import Redone, editor_of, redo
from scumble.errors import InputError
from scumble.records.beside import Beside
from scumble.records.chain import Chain, follow
from scumble.records.recipe import Recipe

__all__ = ["redo_chain"]


def redo_chain(
    path: str | Path,
    *,
    inputs: Sequence[str | Path] = (),
    model: str | None = None,
    device: str | None = None,
    editor: Editor | None = None,
    allow_fetch: bool = False,
    max_cost: int | None = None,
) -> Iterator[tuple[Path, Redone]]:
    """Repeat every edit that led to ``path``, the first one first, each from the very picture that it was made from.

    Recipes name the picture that was edited by its hash (``parent`` where an edit made that one), so where every edit
    comes out with a difference of 0, the last picture follows from the first.

    Args:
        path: The last picture of the chain.
        inputs: More folders in which pictures, maps and other files are looked for by their content.
        model: As for :func:`scumble.redo`, for all edits; by default each takes its own, loaded once where it stays.
        device: Likewise.
        editor: Likewise.
        allow_fetch: Likewise.
        max_cost: Likewise, for each edit.

    Yields:
        The file of each edit, and the edit made again.

    Raises:
        InputError: Before anything runs, if a picture of the chain is not there or lost its recipe; else as
            :func:`scumble.redo`.
    """
    beside = Beside.around(Path(path), inputs)
    chain = follow(Path(path), beside)
    _whole(chain)
    places = [one.path for one in chain.links] + [chain.begins]
    folders = [*beside.folders, *{one.parent for one in places if one is not None}]
    known, held = None, editor
    for link, source in reversed(list(zip(chain.links, places[1:], strict=True))):
        if editor is None and (known != (key := _model_key(link.recipe)) or held is None):
            held = None  # two models need twice the memory
            known, held = key, editor_of(link.recipe, beside, model, device, allow_fetch)
        yield link.path, redo(link.path, image=source, inputs=folders, editor=held, max_cost=max_cost,
                              allow_fetch=allow_fetch)  # fmt: skip


def _whole(chain: Chain) -> None:
    first = chain.links[-1]
    if chain.missing is not None:
        raise InputError(
            f"the picture {chain.missing[:100]!r}, from which {first.path.name} was made, is not beside the result:"
            " name its folder with --inputs"
        )
    if chain.begins is not None and first.recipe.parent is not None:
        raise InputError(
            f"{chain.begins.name}, from which {first.path.name} was made, was made by an edit itself and lost its"
            " recipe: the chain cannot be made again from its beginning"
        )


def _model_key(recipe: Recipe) -> str:
    about = [recipe.model, recipe.model_settings, recipe.environment.get("runtime"), recipe.environment.get("dtype")]
    return json.dumps(about, sort_keys=True)
