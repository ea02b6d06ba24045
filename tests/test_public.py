"""The public names: typed for checkers and IDEs, light to import, and all that the documentation needs."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import scumble
from scumble import energies, extras, maps
from scumble.methods.registry import method_class, method_names

ROOT = Path(__file__).parents[1]
INSIDE = ("add-a-method.md", "add-a-model-family.md", "add-an-energy.md", "architecture.md", "the-loop.md")
"""Pages for who works on the package itself."""
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in INSIDE)]
PACKAGES = {"scumble": scumble, "scumble.energies": energies, "scumble.maps": maps}
LAZY = [scumble, energies, extras]

LIGHT = """
import sys
from scumble.methods.registry import method_class, method_names
for name in method_names():
    method = method_class(name)
    made = method()
    assert made.model_dump() is not None
    for field in method.model_fields.values():
        assert field.description, (name, field)
    assert method.model_json_schema()["properties"], name
    assert method.paper and isinstance(method.takes_image, bool)
    assert "torch" not in sys.modules, f"the definition of {name} imports torch: import its engine inside run"
from scumble.methods.extras.extras import ALSO
for extra in ALSO.values():
    assert extra.model_json_schema()["properties"]
assert "torch" not in sys.modules, "the definition of an extra imports torch"
"""


def test_methods_are_defined_described_and_checked_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


COMMANDS = """
import contextlib, io, sys
from scumble.cli import main
from scumble.methods.registry import method_class, method_names


def run(*words):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text), contextlib.suppress(SystemExit):
        main(list(words))
    return text.getvalue()


for name in method_names():
    command = "edit" if method_class(name).takes_image else "generate"
    assert "--output" in run(command, "--method", name, "--help"), name
assert "differential-diffusion" in run("methods")
assert "no picture" in run("edit"), run("edit")
assert "--strength" in run("edit", "x.png", "--strength", "7")
assert "no points were given" in run("drag", "x.png"), run("drag", "x.png")
assert "torch" not in sys.modules
"""


def test_the_command_line_helps_and_refuses_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", COMMANDS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_scumble_imports_nothing_large() -> None:
    code = "import scumble, sys; print(sorted({'torch', 'numpy', 'pydantic', 'PIL', 'diffusers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", LAZY, ids=lambda package: package.__name__)
def test_checkers_see_the_names_that_are_loaded(package: ModuleType) -> None:
    """What stands under TYPE_CHECKING, what ``__all__`` says and what ``__getattr__`` gives are the same."""
    tree = ast.parse(inspect.getsource(package))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted({*typed, *(["__version__"] if package is scumble else [])}) == sorted(package.__all__)
    for name, module in typed.items():
        assert module is not None
        theirs = getattr(__import__(module, fromlist=[name]), name)
        assert getattr(package, name) is theirs, name
        assert name in dir(package)


def test_all_methods_are_public() -> None:
    assert {method_class(name).__name__ for name in method_names()} <= set(scumble.__all__)


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Foo'; public names: .*DragNoise"):
        scumble.Foo  # noqa: B018


def test_public_signatures_say_what_they_take() -> None:
    """``Any`` tells nobody anything; mappings of a report's values may hold it."""
    public = [getattr(scumble, name) for name in scumble.__all__ if name[0].isalpha()]
    functions = [thing for thing in public if inspect.isfunction(thing)]
    for thing in public:
        if inspect.isclass(thing) and thing.__module__.startswith("scumble"):
            functions += [f for name, f in vars(thing).items() if inspect.isfunction(f) and not name.startswith("_")]
    assert len(functions) > 20
    vague = [
        f"{function.__qualname__}({name}: {annotation})"
        for function in functions
        for name, annotation in function.__annotations__.items()
        if re.search(r"\bAny\b", re.sub(r"(dict|Mapping)\[str, Any\]", "", str(annotation)))
    ]
    assert vague == []


def _imports(code: str) -> list[tuple[str, str]]:
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "scumble":
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names if alias.name.split(".")[0] == "scumble"]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "scumble":
            found.append(("scumble", node.attr))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_documentation_uses_public_names_only(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        for module, name in _imports(block):
            assert module in PACKAGES, f"{module} is not public"
            assert not name or name in PACKAGES[module].__all__, f"{module}.{name} is not public"
