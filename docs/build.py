"""Build the site: copy the pages, write those that definitions give (methods, Python, commands), run Sphinx strictly.

Usage: ``python docs/build.py [FOLDER]``. Nothing is written outside the folder, and nothing is fetched.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import scumble
from scumble.cli.flags import SHORT
from scumble.methods.base import FromSeed, ImageMethod, Method, Prompted, Sampled
from scumble.methods.registry import ALIASES, method_class, method_names

DOCS = Path(__file__).parent
ROOT = DOCS.parent
LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "items ≥", "max_length": "items ≤"}
SHARED = (Method, Prompted, Sampled, ImageMethod, FromSeed)
"""Classes whose fields many methods have: their fields stand last on a method's page."""


def build(folder: Path) -> int:
    """Make ``folder/source`` from scratch and ``folder/html`` from it; return Sphinx's exit code."""
    from sphinx.cmd.build import build_main

    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(DOCS, source, ignore=shutil.ignore_patterns("__pycache__", "build.py", "*.html", "*.csv"))
    for page in ("README", "CHANGELOG", "CONTRIBUTING"):
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8").replace("](docs/", "](")
        write(source / f"{page.lower()}.md", text)
    names = method_names()
    for name in names:
        write(source / "method" / f"{name}.md", method_page(name))
    write(source / "all-methods.md", page_of_pages("All methods", [f"method/{name}" for name in names]))
    public = [name for name in scumble.__all__ if name != "__version__"]
    for name in public:
        write(source / "python" / f"{name}.md", python_page(name))
    write(source / "python.md", page_of_pages("Python", [f"python/{name}" for name in public]))
    write(source / "command-line.md", command_line())
    return build_main(["-W", "--keep-going", "-q", "-j", "1", "-b", "html", str(source), str(folder / "html")])


def write(path: Path, text: str) -> None:
    """Write one generated page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def page_of_pages(title: str, pages: list[str]) -> str:
    """A page that lists others."""
    return "\n".join([f"# {title}", "", "```{toctree}", ":maxdepth: 1", "", *pages, "```", ""])


def method_page(name: str) -> str:
    """What a method does, how it is called, and every field with its default, range and meaning."""
    method = method_class(name)
    others = [alias for alias, meant in ALIASES.items() if meant == name]
    shared = {field: base for base in SHARED if issubclass(method, base) for field in base.model_fields}
    lines = [f"# {name}", "", *inspect.cleandoc(method.__doc__ or "").splitlines(), "", f"Paper: {method.paper}.", ""]
    lines += [f"- {fact}" for fact in facts(method)]
    lines += [f"- Also called {', '.join(f'`{alias}`' for alias in others)}."] if others else []
    call = "generate" if name == "text-to-image" else f"edit --method {name}"
    lines += ["", f"On the command line: `scumble {call} --help`. In Python: `scumble.{method.__name__}(…)`.", ""]
    for title, fields in (
        ("Its own parameters", [field for field in method.model_fields if field not in shared]),
        ("Parameters it shares with others", [field for field in method.model_fields if field in shared]),
    ):
        if fields:
            lines += [f"## {title}", "", "| flag | default | range | meaning |", "|---|---|---|---|"]
            lines += [row(field, method.model_fields[field]) for field in fields]
            lines += [""]
    lines += ["[Which method for what](../methods.md) compares, and [the report](../report/report.md) measures.", ""]
    return "\n".join(lines)


def facts(method: type[Method]) -> Iterator[str]:
    """What a method needs and takes, from its traits."""
    if issubclass(method, ImageMethod):
        yield "Edits a picture, and takes a change map: pixels under black keep their bytes."
    if method.image_optional or not method.takes_image:
        yield (
            "Makes a picture from the seed, without one given."
            if not method.takes_image
            else ("Without a picture it makes its own, from the seed.")
        )
    if method.takes_inversion:
        yield "Can start from a file that `scumble invert` made."
    if method.needs_text:
        yield "Needs a model that understands words."
    if method.takes_instructions:
        yield "Needs a model that edits by instruction."
    if method.tileable:
        yield "Works in tiles on large pictures (`--tiles`)."


def row(name: str, field: Any) -> str:
    """One field as a line of the table."""
    flags = ", ".join(f"`{flag}`" for flag in SHORT.get(name, [f"--{name.replace('_', '-')}"]))
    default = field.get_default(call_default_factory=True)
    meaning = " ".join((field.description or "").split()).replace("``", "`")
    cells = [flags, "" if default is None or default == "" else f"`{default}`", allowed(field), meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def allowed(field: Any) -> str:
    """The limits or the choices of a field."""
    limits = [
        f"{sign} {getattr(limit, key):g}"
        for limit in field.metadata
        for key, sign in LIMITS.items()
        if getattr(limit, key, None) is not None
    ]
    return ", ".join(limits or [f"`{choice}`" for choice in choices(field.annotation)])


def choices(annotation: Any) -> list[Any]:
    """The values of a Literal, also inside a union."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return list(parts)
    return [choice for part in parts for choice in choices(part)] if get_origin(annotation) is not tuple else []


def python_page(name: str) -> str:
    """A public name's page from its docstrings; a method's fields are on the method's page."""
    what = getattr(scumble, name)
    members = "   :members:"
    if isinstance(what, ModuleType):
        kind, target = "automodule", what.__name__
    elif isinstance(what, type):
        kind, target = "autoclass", f"scumble.{name}"
    else:
        kind, target, members = "autofunction", f"scumble.{name}", ""
    is_method = isinstance(what, type) and issubclass(what, Method)
    link = f"\nParameters: [{what.method_name()}](../method/{what.method_name()}.md).\n" if is_method else ""
    lines = [f"# {name}", link, "```{eval-rst}", f".. {kind}:: {target}", "" if is_method else members, "```", ""]
    return "\n".join(lines)


def command_line() -> str:
    """Every command with its help, as the command prints it."""
    from scumble.cli import COMMANDS, make_app

    app = make_app()
    lines = ["# Command line", "", "What `--help-all` prints. Flags of `edit` go by its [method](all-methods.md).", ""]
    for command in COMMANDS:
        names = [name for name in app[command] if not name.startswith("-")]
        for words in [[command], *([command, name] for name in names)]:
            lines += [f"{'##' if len(words) == 1 else '###'} scumble {' '.join(words)}", "", "```text"]
            lines += [*help_of(words).strip().splitlines(), "```", ""]
    return "\n".join(lines)


def help_of(words: list[str]) -> str:
    """What a command prints as its help."""
    from scumble.cli import main

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*words, "--help-all"])
    return text.getvalue()


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()))
