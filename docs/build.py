"""Build the site: copy the pages, write those that definitions give (methods, Python, commands), run Sphinx strictly.

Usage: ``python docs/build.py [FOLDER]``. Nothing is written outside the folder, and nothing is fetched.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

from command_page import command_page, commands
from format_page import with_definitions
from method_page import method_page

import scumble
from scumble.methods.method import Method
from scumble.methods.registry import method_names

DOCS = Path(__file__).parent
ROOT = DOCS.parent
BESIDE = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")
"""Pages that lie beside ``docs``."""


def build(folder: Path) -> int:
    """Make ``folder/source`` from scratch and ``folder/html`` from it; return Sphinx's exit code."""
    from sphinx.cmd.build import build_main

    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(
        DOCS,
        source,
        ignore=shutil.ignore_patterns("__pycache__", "*.py", "*.html", "*.csv", "costs.json", "figures-data"),
    )
    shutil.copytree(ROOT / "examples", source / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(DOCS / "conf.py", source)
    for page in BESIDE:
        shutil.copy(ROOT / f"{page}.md", source / f"{page.lower()}.md")
    for path in source.rglob("*.md"):
        write(path, with_definitions(site_links(path.read_text(encoding="utf-8"))))
    names = method_names()
    for name in names:
        write(source / "method" / f"{name}.md", method_page(name))
    write(source / "all-methods.md", page_of_pages("All methods", [f"method/{name}" for name in names]))
    public = [name for name in scumble.__all__ if name != "__version__"]
    for name in public:
        write(source / "python" / f"{name}.md", python_page(name))
    write(source / "python.md", page_of_pages("Python", [f"python/{name}" for name in public]))
    top = list(dict.fromkeys(words[0] for words in commands()))
    for command in top:
        write(source / "command" / f"{command}.md", command_page(command))
    write(source / "command-line.md", page_of_pages("Command line", [f"command/{command}" for command in top]))
    return build_main(["-W", "--keep-going", "-q", "-j", "1", "-b", "html", str(source), str(folder / "html")])


def site_links(text: str) -> str:
    """Links as the repository has them, to pages that lie beside ``docs`` there and within the site here."""
    text = re.sub(rf"\]\((?:\.\./)*({'|'.join(BESIDE)})\.md", lambda page: f"](/{page[1].lower()}.md", text)
    return re.sub(r"\]\((?:\.\./)+examples/", "](/examples/", text.replace("](docs/", "]("))


def write(path: Path, text: str) -> None:
    """Write one generated page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def page_of_pages(title: str, pages: list[str]) -> str:
    """A page that lists others."""
    return "\n".join([f"# {title}", "", "```{toctree}", ":maxdepth: 1", "", *pages, "```", ""])


def python_page(name: str) -> str:
    """A public name's page from its docstrings; a method's fields are on the method's page."""
    what = getattr(scumble, name)
    members = "   :members:"
    if isinstance(what, ModuleType):
        kind, target = "automodule", what.__name__
    elif isinstance(what, type):
        kind, target = "autoclass", f"scumble.{name}"
        if any(base.__module__.startswith("scumble.") for base in what.__mro__[1:]):
            members += "\n   :inherited-members: BaseModel, Exception"
    else:
        kind, target, members = "autofunction", f"scumble.{name}", ""
    is_method = isinstance(what, type) and issubclass(what, Method)
    link = f"\nParameters: [{what.method_name()}](../method/{what.method_name()}.md).\n" if is_method else ""
    lines = [f"# {name}", link, "```{eval-rst}", f".. {kind}:: {target}", "" if is_method else members, "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()))
