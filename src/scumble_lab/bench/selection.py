"""Which editors a run is for: by name, by family, or all that can do the tasks."""

from __future__ import annotations

from scumble.errors import InputError, nearest
from scumble.methods.registry import METHODS
from scumble_lab.bench.bench_editor import BenchEditor
from scumble_lab.bench.editors import EDITORS

__all__ = ["editors_for", "named_editors"]


def editors_for(tasks: tuple[str, ...]) -> list[BenchEditor]:
    """All editors whose method is installed and that do at least one of the tasks."""
    return [e for e in EDITORS.values() if (e.method is None or e.method in METHODS) and any(map(e.does, tasks))]


def named_editors(given: str, tasks: tuple[str, ...]) -> list[BenchEditor]:
    """Read ``all``, family names, ``variants`` or editor names, comma-separated; all and families leave variants out.

    Raises:
        InputError: for a name that is none, or one that does none of the tasks.
    """
    able = editors_for(tasks)
    usual = [editor for editor in able if not editor.variant]
    families = sorted({editor.family for editor in able})
    sets: dict[str, list[BenchEditor]] = {name: [e for e in usual if e.family == name] for name in families}
    sets |= {"all": usual, "variants": [editor for editor in able if editor.variant]}
    chosen: list[BenchEditor] = []
    for word in (name.strip() for name in given.split(",") if name.strip()):
        if word in sets:
            chosen += sets[word]
        elif word not in EDITORS:
            known = [*EDITORS, *sets]
            raise InputError(f"unknown method {word!r}{nearest(word, known)}; known: {', '.join(known)}")
        elif EDITORS[word] not in able:
            raise InputError(f"{word} does none of these tasks: {', '.join(tasks)}")
        else:
            chosen.append(EDITORS[word])
    return list(dict.fromkeys(chosen))
