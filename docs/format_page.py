"""What a file-format page takes from the definitions: a marked line becomes the tables of the classes that it names."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from field_table import cells

MARK = re.compile(r"^<!-- (fields|attributes|schema|layout): (.+) -->$", re.MULTILINE)


def with_definitions(text: str) -> str:
    """The page with each mark replaced by what is defined."""
    return MARK.sub(lambda mark: "\n\n".join(WRITERS[mark[1]](name.strip()) for name in mark[2].split(",")), text)


def named(where: str) -> Any:
    """The class or module that ``module:Class`` names."""
    module, _, name = where.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, name) if name else loaded


def fields(where: str) -> str:
    """A pydantic class as a table."""
    what = named(where)
    rows = [cells(f"`{name}`", field) for name, field in what.model_fields.items()]
    about = (inspect.getdoc(what) or "").partition("\n")[0]
    return "\n".join(
        [f"## {what.__name__}", "", about, "", "| field | default | range | meaning |", "|---|---|---|---|", *rows]
    )


def attributes(where: str) -> str:
    """The ``Attributes`` of a docstring as a table."""
    what = named(where)
    section = (inspect.getdoc(what) or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE)
    rows = [f"| `{name}` | {' '.join(text.split())} |" for name, text in entries]
    return "\n".join([f"## {what.__name__}", "", "| field | meaning |", "|---|---|", *rows])


def schema(where: str) -> str:
    """A ledger's tables and states, as they are written."""
    module = named(where)
    states = ", ".join(f"`{state}`" for state in module.STATES)
    return f"## Tables\n\n```sql\n{module.SCHEMA.strip()}\n```\n\nStates: {states}."


def layout(where: str) -> str:
    """The number of the layout that is written now."""
    return f"This version writes layout {named(where)}."


WRITERS = {"fields": fields, "attributes": attributes, "schema": schema, "layout": layout}
